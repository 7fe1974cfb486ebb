//! What the camera shall be like: the arguments of `rtsp-camera`, and their builder in tests.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Video codecs that the camera speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Video {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// Motion JPEG.
    Mjpeg,
    /// MPEG-4 part 2.
    Mpeg4,
    /// VP8.
    Vp8,
    /// VP9.
    Vp9,
}

/// Audio codecs that the camera speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Audio {
    /// No audio track.
    None,
    /// AAC-LC, 48 kHz stereo.
    Aac,
    /// G.711 A-law.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
    /// G.722.
    G722,
    /// Opus.
    Opus,
    /// Linear PCM, 44.1 kHz stereo.
    L16,
}

/// What the camera lets a client set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transports {
    /// Interleaved only.
    Tcp,
    /// UDP only.
    Udp,
    /// Both.
    All,
}

/// How a client must say who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthMethod {
    /// RFC 7617.
    Basic,
    /// RFC 7616.
    Digest,
}

/// The camera's options; `CameraOptions::default()` is an open 720p30 H.264 camera without audio.
#[derive(Debug, Clone, Parser)]
#[command(name = "rtsp-camera", about = "An RTSP camera with quirks, for tests")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent quirk of a camera"
)]
pub struct CameraOptions {
    /// Video codec.
    #[arg(long, value_enum, default_value = "h264")]
    pub codec: Video,
    /// H.264 profile, as in caps.
    #[arg(long, default_value = "high")]
    pub profile: String,
    /// Number of B-frames between two others.
    #[arg(long, default_value_t = 0)]
    pub b_frames: u32,
    /// Seconds between two key frames.
    #[arg(long, default_value_t = 2.0)]
    pub key_interval: f64,
    /// Picture size, as 1280x720.
    #[arg(long, default_value = "1280x720")]
    pub size: String,
    /// Frames per second.
    #[arg(long, default_value_t = 30)]
    pub rate: u32,
    /// Video bitrate in kbit/s.
    #[arg(long, default_value_t = 2000)]
    pub bitrate: u32,
    /// Audio codec.
    #[arg(long, value_enum, default_value = "none")]
    pub audio: Audio,
    /// Demands credentials by this method; needs --login.
    #[arg(long, value_enum, requires = "login")]
    pub auth: Option<AuthMethod>,
    /// USER:PASSWORD.
    #[arg(long)]
    pub login: Option<String>,
    /// Transports that a client may set up.
    #[arg(long, value_enum, default_value = "all")]
    pub transports: Transports,
    /// Offers multicast only.
    #[arg(long)]
    pub multicast: bool,
    /// Speaks RTSPS with the certificate and key of this PEM file.
    #[arg(long)]
    pub tls: Option<PathBuf>,
    /// Leaves the parameter sets out of the SDP.
    #[arg(long)]
    pub no_parameter_sets: bool,
    /// Accepts UDP but sends nothing over it.
    #[arg(long)]
    pub blackhole_udp: bool,
    /// Sends no pictures to its first client, though its SDP names them; the next one gets them.
    #[arg(long)]
    pub blind_first: bool,
    /// Cuts H.264 frames into slices and repeats the parameter sets before each one of a key frame, in packets of their
    /// own, as `rtph264pay config-interval=-1` does.
    #[arg(long)]
    pub slices: bool,
    /// Sends fields in place of frames (H.264).
    #[arg(long)]
    pub interlaced: bool,
    /// Sends 10 bits a sample (H.264 of a profile that has them, H.265).
    #[arg(long)]
    pub deep: bool,
    /// Stamps each H.264 frame with the machine's clock.
    #[arg(long)]
    pub stamp: bool,
    /// Flashes and beeps each second, instead of the known picture and tone.
    #[arg(long)]
    pub flash: bool,
    /// Path of the stream.
    #[arg(long, default_value = "cam")]
    pub mount: String,
    /// Address to listen at.
    #[arg(long, default_value = "127.0.0.1")]
    pub bind: String,
    /// Port to listen at; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
}

impl Default for CameraOptions {
    fn default() -> Self {
        Self::parse_from(["rtsp-camera"])
    }
}

impl CameraOptions {
    /// Parses arguments as the command line does; for one-line cameras in tests.
    pub fn from_line(arguments: &str) -> Self {
        Self::parse_from(std::iter::once("rtsp-camera").chain(arguments.split_whitespace()))
    }

    /// The path with its slash.
    pub fn mount_path(&self) -> String {
        format!("/{}", self.mount.trim_start_matches('/'))
    }

    /// Width and height.
    ///
    /// # Errors
    /// When `--size` is not width x height.
    pub fn dimensions(&self) -> Result<(u32, u32), String> {
        let (width, height) = self.size.split_once('x').ok_or("--size is WIDTHxHEIGHT")?;
        let number = |s: &str| s.parse().map_err(|e| format!("--size {}: {e}", self.size));
        Ok((number(width)?, number(height)?))
    }

    /// Method, user and password, if the camera demands them.
    ///
    /// # Errors
    /// When `--login` has no colon.
    pub fn credentials(&self) -> Result<Option<(AuthMethod, &str, &str)>, String> {
        let (Some(method), Some(login)) = (self.auth, &self.login) else {
            return Ok(None);
        };
        let (user, pass) = login.split_once(':').ok_or("--login is USER:PASSWORD")?;
        Ok(Some((method, user, pass)))
    }

    /// The URL of this camera at `port`, without credentials.
    pub fn url(&self, port: u16) -> String {
        let scheme = if self.tls.is_some() { "rtsps" } else { "rtsp" };
        format!("{scheme}://{}:{port}{}", self.bind, self.mount_path())
    }

    /// The same options as command-line arguments.
    pub fn arguments(&self) -> Vec<String> {
        let name = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map_or_else(String::new, |v| v.get_name().to_owned())
        };
        let mut out: Vec<String> = Vec::new();
        let mut pair = |key: &str, value: String| out.extend([key.to_owned(), value]);
        pair("--codec", name(&|| self.codec.to_possible_value()));
        pair("--profile", self.profile.clone());
        pair("--b-frames", self.b_frames.to_string());
        pair("--key-interval", self.key_interval.to_string());
        pair("--size", self.size.clone());
        pair("--rate", self.rate.to_string());
        pair("--bitrate", self.bitrate.to_string());
        pair("--audio", name(&|| self.audio.to_possible_value()));
        pair(
            "--transports",
            name(&|| self.transports.to_possible_value()),
        );
        pair("--mount", self.mount.clone());
        pair("--bind", self.bind.clone());
        pair("--port", self.port.to_string());
        if let (Some(auth), Some(login)) = (self.auth, &self.login) {
            pair("--auth", name(&|| auth.to_possible_value()));
            pair("--login", login.clone());
        }
        if let Some(tls) = &self.tls {
            pair("--tls", tls.display().to_string());
        }
        let flags = [
            (self.multicast, "--multicast"),
            (self.no_parameter_sets, "--no-parameter-sets"),
            (self.slices, "--slices"),
            (self.interlaced, "--interlaced"),
            (self.deep, "--deep"),
            (self.blind_first, "--blind-first"),
            (self.blackhole_udp, "--blackhole-udp"),
            (self.stamp, "--stamp"),
            (self.flash, "--flash"),
        ];
        out.extend(flags.iter().filter(|f| f.0).map(|f| f.1.to_owned()));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_back_as_the_same_camera() {
        let line =
            "--codec vp8 --audio aac --auth digest --login a:b --stamp --flash --size 640x360";
        let camera = CameraOptions::from_line(line);

        let again = CameraOptions::from_line(&camera.arguments().join(" "));

        assert_eq!(format!("{camera:?}"), format!("{again:?}"));
    }
}
