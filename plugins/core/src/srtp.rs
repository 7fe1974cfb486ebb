//! SRTP, sending side (RFC 3711), with AES-128 in counter mode and HMAC-SHA1: what GStreamer's DTLS negotiates.
//!
//! SRTCP stays with GStreamer's own encoder, as does every other cipher. All RTP packets of a session go through one
//! [`Sender`]: a stream whose packets are encrypted here and there breaks at its first roll-over.

use std::collections::HashMap;

use aes::Aes128Enc;
use aes::cipher::{BlockCipherEncrypt as _, InnerIvInit as _, KeyInit as _, StreamCipher as _};
use ctr::CtrCore;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;

/// Key and salt together, in bytes.
pub const MASTER: usize = KEY + SALT;

const KEY: usize = 16;
const SALT: usize = 14;
const AUTHENTICATION: usize = 20;

/// RFC 3711, 4.3.2.
const LABEL_ENCRYPTION: u8 = 0;
const LABEL_AUTHENTICATION: u8 = 1;
const LABEL_SALT: u8 = 2;

/// How long the tag of each packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// `SRTP_AES128_CM_HMAC_SHA1_80`.
    Bits80,
    /// `SRTP_AES128_CM_HMAC_SHA1_32`.
    Bits32,
}

impl Tag {
    /// Gives its length in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bits80 => 10,
            Self::Bits32 => 4,
        }
    }
}

/// Encrypts the RTP packets of one session.
pub struct Sender {
    cipher: Aes128Enc,
    mac: Hmac<Sha1>,
    salt: u128,
    tag: Tag,
    /// One roll-over counter per SSRC: media and retransmissions have their own.
    rollovers: HashMap<u32, Rollover>,
}

#[derive(Debug, Clone, Copy)]
struct Rollover {
    count: u32,
    newest: u16,
}

impl Sender {
    /// Takes the key and the salt that DTLS gave for our direction, one behind the other; `None` if their length is
    /// another one.
    pub fn new(master: &[u8], tag: Tag) -> Option<Self> {
        let master: &[u8; MASTER] = master.try_into().ok()?;
        let (key, salt) = master.split_first_chunk::<KEY>()?;
        let master = Aes128Enc::new(&(*key).into());
        let salt = widened(salt);
        let [encryption, _] = derived(&master, salt, LABEL_ENCRYPTION);
        let authentication = derived(&master, salt, LABEL_AUTHENTICATION).concat();
        let [session_salt, _] = derived(&master, salt, LABEL_SALT);
        Some(Self {
            cipher: Aes128Enc::new(&encryption.into()),
            mac: Hmac::new_from_slice(authentication.get(..AUTHENTICATION)?).ok()?,
            salt: widened(session_salt.get(..SALT)?),
            tag,
            rollovers: HashMap::new(),
        })
    }

    /// Encrypts the RTP packet that begins at `start` and ends `out`, and adds its tag. What is no RTP packet is taken
    /// out; says whether it was one.
    pub fn protect(&mut self, out: &mut Vec<u8>, start: usize) -> bool {
        let packet = out.get_mut(start..).unwrap_or_default();
        let Some((header, ssrc, sequence)) = read(packet) else {
            out.truncate(start);
            return false;
        };
        let count = self.count_of(ssrc, sequence);
        let index = u128::from(count) << 16 | u128::from(sequence);
        let iv = self.salt ^ u128::from(ssrc) << 64 ^ index << 16;
        if let Some(payload) = packet.get_mut(header..) {
            self.encrypt(iv, payload);
        }
        let mut mac = self.mac.clone();
        mac.update(packet);
        mac.update(&count.to_be_bytes());
        let tag = mac.finalize().into_bytes();
        out.extend(tag.iter().take(self.tag.bytes()));
        true
    }

    /// Counter mode, whose counter stands in the last 16 bits (RFC 3711, 4.1.1).
    fn encrypt(&self, iv: u128, bytes: &mut [u8]) {
        let iv = iv.to_be_bytes().into();
        // The round keys are copied, which is less than making them again.
        let core = CtrCore::inner_iv_init(self.cipher.clone(), &iv);
        ctr::Ctr128BE::<Aes128Enc>::from_core(core).apply_keystream(bytes);
    }

    /// RFC 3711, 3.3.1: an old packet that is sent again across the wrap belongs to the round before.
    fn count_of(&mut self, ssrc: u32, sequence: u16) -> u32 {
        let known = self.rollovers.entry(ssrc).or_insert(Rollover {
            count: 0,
            newest: sequence,
        });
        if sequence.wrapping_sub(known.newest) < 0x8000 {
            if sequence < known.newest {
                known.count = known.count.wrapping_add(1);
            }
            known.newest = sequence;
            known.count
        } else {
            let before = u32::from(sequence > known.newest);
            known.count.wrapping_sub(before)
        }
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nothing of the keys.
        f.debug_struct("Sender")
            .field("tag", &self.tag)
            .finish_non_exhaustive()
    }
}

/// Puts a salt where it stands in a block: the last two bytes count.
fn widened(salt: &[u8]) -> u128 {
    salt.iter()
        .fold(0, |wide, byte| wide << 8 | u128::from(*byte))
        << 16
}

/// RFC 3711, 4.3.1 and 4.3.3, with a key derivation rate of zero: the first two blocks.
fn derived(master: &Aes128Enc, salt: u128, label: u8) -> [[u8; 16]; 2] {
    [0, 1].map(|counter: u128| {
        let block = salt ^ u128::from(label) << 64 ^ counter;
        let mut block = block.to_be_bytes().into();
        master.encrypt_block(&mut block);
        block.into()
    })
}

/// Gives the length of an RTP packet's header, its SSRC and its sequence number.
fn read(packet: &[u8]) -> Option<(usize, u32, u16)> {
    let (fixed, rest) = packet.split_first_chunk::<12>()?;
    let [flags, _, s0, s1, _, _, _, _, r0, r1, r2, r3] = *fixed;
    if flags >> 6 != 2 {
        return None;
    }
    let mut header = 12 + 4 * usize::from(flags & 0x0f);
    if flags & 0x10 != 0 {
        let [_, _, l0, l1] = *rest.get(header - 12..)?.first_chunk::<4>()?;
        header += 4 + 4 * usize::from(u16::from_be_bytes([l0, l1]));
    }
    let whole = packet.len() >= header;
    whole.then(|| {
        (
            header,
            u32::from_be_bytes([r0, r1, r2, r3]),
            u16::from_be_bytes([s0, s1]),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<char> = text.chars().collect();
        let pairs = digits.chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
            .collect()
    }

    /// Of RFC 3711, B.3.
    const MASTER_KEY: &str = "e1f97a0d3e018be0d64fa32c06de4139";
    const MASTER_SALT: &str = "0ec675ad498afeebb6960b3aabe6";

    fn sender(tag: Tag) -> Sender {
        Sender::new(&hex(&format!("{MASTER_KEY}{MASTER_SALT}")), tag).unwrap()
    }

    #[test]
    fn keys_are_derived_as_in_rfc_3711_b3() {
        let master = Aes128Enc::new_from_slice(&hex(MASTER_KEY)).unwrap();
        let salt = widened(&hex(MASTER_SALT));
        let of = |label| derived(&master, salt, label).concat();
        assert_eq!(of(0)[..16], hex("c61e7a93744f39ee10734afe3ff7a087"));
        assert_eq!(of(2)[..14], hex("30cbbc08863d8c85d49db34a9ae1"));
        assert_eq!(of(1)[..20], hex("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
    }

    #[test]
    fn the_key_stream_is_that_of_rfc_3711_b2() {
        let mut sender = sender(Tag::Bits80);
        sender.cipher =
            Aes128Enc::new_from_slice(&hex("2b7e151628aed2a6abf7158809cf4f3c")).unwrap();
        let iv = widened(&hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd"));
        let mut stream = vec![0; 0xff02 * 16];
        sender.encrypt(iv, &mut stream);
        assert_eq!(stream[..16], hex("e03ead0935c95e80e166b16dd92b4eb4"));
        assert_eq!(stream[16..32], hex("d23513162b02d0f72a43a2fe4a5f97ab"));
        assert_eq!(
            stream[0xff00 * 16..0xff01 * 16],
            hex("362b7c3c6773516318a077d7fc5073ae")
        );
    }

    // The packet of libsrtp's own `srtp_validate`, with the master key and salt above.
    #[test]
    fn a_packet_is_that_of_libsrtp() {
        let mut packet = hex("800f1234decafbadcafebabe");
        packet.extend([0xab; 16]);
        assert!(sender(Tag::Bits80).protect(&mut packet, 0));
        assert_eq!(
            packet,
            hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")
        );
    }

    fn rtp(sequence: u16) -> Vec<u8> {
        let mut packet = hex("8060");
        packet.extend(sequence.to_be_bytes());
        packet.extend([0; 8]);
        packet.extend([7; 20]);
        packet
    }

    #[test]
    fn each_wrap_counts_and_old_packets_belong_to_the_round_before() {
        let mut sender = sender(Tag::Bits32);
        let counts: Vec<u32> = [65_530, 65_535, 2, 65_534, 1, 40_000, 65_000, 3, 2]
            .map(|sequence| sender.count_of(1, sequence))
            .into();
        assert_eq!(counts, [0, 0, 1, 0, 1, 0, 0, 1, 1]);
        // Another stream counts for itself.
        assert_eq!(sender.count_of(2, 5), 0);
    }

    #[test]
    fn the_same_packet_in_another_round_looks_different() {
        let mut sender = sender(Tag::Bits80);
        let mut protect = |sequence| {
            let mut packet = rtp(sequence);
            assert!(sender.protect(&mut packet, 0));
            assert_eq!(packet.len(), 32 + 10);
            packet
        };
        let first = protect(100);
        for sequence in [30_000, 60_000, 20_000] {
            protect(sequence);
        }
        assert_eq!(protect(60_000).len(), first.len());
        protect(50_000);
        protect(10);
        assert_ne!(protect(100), first);
    }

    #[test]
    fn packets_lie_one_behind_the_other_and_headers_stay_readable() {
        let mut sender = sender(Tag::Bits32);
        let mut out = b"before".to_vec();
        let mut extended = rtp(1);
        extended[0] = 0x91;
        // One CSRC, then an extension of one word.
        extended[12..24].copy_from_slice(&[9, 9, 9, 9, 0xbe, 0xde, 0, 1, 0x10, 5, 0, 0]);
        out.extend_from_slice(&extended);
        assert!(sender.protect(&mut out, 6));
        assert_eq!(out[..6], *b"before");
        assert_eq!(out[6..30], extended[..24]);
        assert_ne!(out[30..38], extended[24..]);
        assert_eq!(out.len(), 6 + 32 + 4);
    }

    #[test]
    fn what_is_no_rtp_is_taken_out() {
        let mut sender = sender(Tag::Bits80);
        for bad in [&[][..], &[0x80; 11], &[0x40; 20], &[0x8f; 20], &[0x90; 12]] {
            let mut out = b"before".to_vec();
            out.extend_from_slice(bad);
            assert!(!sender.protect(&mut out, 6), "{bad:?}");
            assert_eq!(out, b"before");
        }
        assert!(Sender::new(&[0; 29], Tag::Bits80).is_none());
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(
            format!("{:?}", sender(Tag::Bits80)),
            "Sender { tag: Bits80, .. }"
        );
    }
}
