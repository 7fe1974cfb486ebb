"""aiortc as a viewer or a publisher: `aiortc_peer.py view URL` or `aiortc_peer.py publish URL FILE`.

Prints one JSON line a second: what was decoded, with the colours of the seven bars, or what was sent.
"""

import asyncio
import json
import sys
import urllib.request

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer
from aiortc.mediastreams import MediaStreamError

seen = {"frames": 0, "audio": 0, "bars": [], "width": 0, "height": 0, "state": "new"}


def post(url, offer):
    request = urllib.request.Request(url, offer.encode(), {"Content-Type": "application/sdp"})
    with urllib.request.urlopen(request) as response:
        return response.read().decode()


def bars(frame):
    """The middle of each of the seven bars, at a third of the height."""
    plane = frame.reformat(format="rgb24").planes[0]
    pixels = bytes(plane)
    row = frame.height // 3 * plane.line_size
    starts = [row + 3 * int((bar + 0.5) * frame.width / 7) for bar in range(7)]
    return [list(pixels[start : start + 3]) for start in starts]


async def watch(track):
    try:
        while True:
            frame = await track.recv()
            if track.kind == "audio":
                seen["audio"] += 1
                continue
            seen["frames"] += 1
            seen["width"], seen["height"] = frame.width, frame.height
            if seen["frames"] % 15 == 1:
                seen["bars"] = bars(frame)
    except MediaStreamError:
        pass


async def main(mode, url, file=None):
    peer = RTCPeerConnection()
    peer.on("track", lambda track: asyncio.ensure_future(watch(track)))
    if mode == "view":
        peer.addTransceiver("video", direction="recvonly")
        peer.addTransceiver("audio", direction="recvonly")
    else:
        player = MediaPlayer(file, loop=True)
        peer.addTrack(player.video)
        peer.addTrack(player.audio)
    await peer.setLocalDescription(await peer.createOffer())
    answer = await asyncio.to_thread(post, url, peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    while True:
        await asyncio.sleep(1)
        seen["state"] = peer.connectionState
        for stat in (await peer.getStats()).values():
            if stat.type == "outbound-rtp":
                seen[f"sent_{stat.kind}"] = stat.packetsSent
        print(json.dumps(seen), flush=True)


asyncio.run(main(*sys.argv[1:]))
