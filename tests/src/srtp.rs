//! RTP and RTCP that no WebRTC stack would send, protected as SRTP with the keys of a session's own handshake
//! (RFC 3711 with `AES128_CM_SHA1_80`, which is what webrtcbin takes).

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
    SrtpProfile,
};
use str0m::crypto::{Aes128CmSha1_80, CryptoError, CryptoProvider, from_feature_flags};

const KEY: usize = Aes128CmSha1_80::KEY_LEN;
const SALT: usize = Aes128CmSha1_80::SALT_LEN;
const TAG: usize = Aes128CmSha1_80::HMAC_TAG_LEN;
/// Of RTP without extensions.
const RTP_HEADER: usize = 12;
/// What stays readable of RTCP.
const RTCP_HEADER: usize = 8;
/// The cipher wants so much room behind its output.
const ROOM: usize = 15;
/// RFC 3711, 4.3.2: encryption, authentication and salt, for RTP and from 3 on for RTCP.
const RTP_LABEL: u8 = 0;
const RTCP_LABEL: u8 = 3;

/// Its own key and salt, once the handshake is over.
type Master = Arc<Mutex<Option<([u8; KEY], [u8; SALT])>>>;

/// Protects what one session sends.
#[derive(Debug, Clone)]
pub(crate) struct Protector {
    crypto: CryptoProvider,
    master: Master,
}

/// Keys of one direction, for RTP or for RTCP.
struct Keys {
    encryption: [u8; KEY],
    authentication: [u8; 20],
    salt: [u8; SALT],
}

impl Protector {
    /// Gives one, and the cryptography for the session that it is for.
    pub(crate) fn new() -> (Self, Arc<CryptoProvider>) {
        let crypto = from_feature_flags();
        let master = Master::default();
        let listening = Listening {
            provider: crypto.dtls_provider,
            master: Arc::clone(&master),
        };
        let mut overheard = crypto.clone();
        // The stack wants it for ever; a session of the tests' leaves some bytes behind.
        overheard.dtls_provider = Box::leak(Box::new(listening));
        (Self { crypto, master }, Arc::new(overheard))
    }

    /// Protects an RTP packet without extensions. `rollover` counts the wraps of its sequence number.
    ///
    /// # Panics
    /// When the handshake is not over, or the packet has no header.
    pub(crate) fn rtp(&self, packet: &[u8], rollover: u32) -> Vec<u8> {
        let keys = self.keys(RTP_LABEL);
        let ssrc = u32::from_be_bytes(packet[8..12].try_into().expect("four bytes"));
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let index = u64::from(rollover) << 16 | u64::from(sequence);
        let iv = Aes128CmSha1_80::rtp_iv(keys.salt, ssrc, index);
        let mut protected = self.encrypt(&keys.encryption, &iv, packet, RTP_HEADER);
        let end = protected.len();
        protected.resize(end + TAG, 0);
        let hmac =
            |key: &[u8], parts: &[&[u8]]| self.crypto.sha1_hmac_provider.sha1_hmac(key, parts);
        Aes128CmSha1_80::rtp_hmac(hmac, &keys.authentication, &mut protected, index, end);
        protected
    }

    /// Protects an RTCP packet of 8 bytes at least, whatever they are. No two may have the same index.
    ///
    /// # Panics
    /// When the handshake is not over, or the packet is too short.
    pub(crate) fn rtcp(&self, packet: &[u8], index: u32) -> Vec<u8> {
        let keys = self.keys(RTCP_LABEL);
        let ssrc = u32::from_be_bytes(packet[4..8].try_into().expect("four bytes"));
        let iv = Aes128CmSha1_80::rtp_iv(keys.salt, ssrc, u64::from(index));
        let mut protected = self.encrypt(&keys.encryption, &iv, packet, RTCP_HEADER);
        // The first bit says that it is encrypted.
        protected.extend((index | 1 << 31).to_be_bytes());
        let end = protected.len();
        protected.resize(end + TAG, 0);
        let hmac =
            |key: &[u8], parts: &[&[u8]]| self.crypto.sha1_hmac_provider.sha1_hmac(key, parts);
        Aes128CmSha1_80::rtcp_hmac(hmac, &keys.authentication, &mut protected, end);
        protected
    }

    fn encrypt(&self, key: &[u8; KEY], iv: &[u8; 16], packet: &[u8], header: usize) -> Vec<u8> {
        let (head, body) = packet.split_at(header);
        let mut encrypted = vec![0; body.len() + ROOM];
        let cipher = self.crypto.srtp_provider.aes_128_cm_sha1_80();
        let mut cipher = cipher.create_cipher(*key, true);
        let done = cipher.encrypt(iv, body, &mut encrypted);
        done.expect("AES in counter mode");
        [head, &encrypted[..body.len()]].concat()
    }

    /// RFC 3711, 4.3.3.
    fn keys(&self, first: u8) -> Keys {
        let master = *self.master.lock();
        let (key, salt) = master.expect("the handshake is over");
        let derived = |label: u8, length: usize| {
            let mut iv = [0; 16];
            iv[..SALT].copy_from_slice(&salt);
            iv[7] ^= label;
            // The key stream is what the cipher makes of zeros.
            self.encrypt(&key, &iv, &vec![0; length], 0)
        };
        Keys {
            encryption: derived(first, KEY).try_into().expect("its length"),
            authentication: derived(first + 1, 20).try_into().expect("its length"),
            salt: derived(first + 2, SALT).try_into().expect("its length"),
        }
    }
}

/// Makes DTLS whose keys are overheard.
#[derive(Debug)]
struct Listening {
    provider: &'static dyn DtlsProvider,
    master: Master,
}

impl DtlsProvider for Listening {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        Ok(Box::new(Overheard {
            dtls: self.provider.new_dtls(cert, now, version, mtu)?,
            master: Arc::clone(&self.master),
        }))
    }
}

#[derive(Debug)]
struct Overheard {
    dtls: Box<dyn DtlsInstance>,
    master: Master,
}

impl DtlsInstance for Overheard {
    fn set_active(&mut self, active: bool) {
        self.dtls.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.dtls.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let client = self.dtls.is_active();
        let output = self.dtls.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output
            && *profile == SrtpProfile::AES128_CM_SHA1_80
        {
            // Keys of client and server, then their salts (RFC 5764, 4.2).
            let (key, salt) = if client { (0, 0) } else { (KEY, SALT) };
            let salt = 2 * KEY + salt;
            let part = |from: usize, length: usize| material[from..from + length].to_vec();
            *self.master.lock() = Some((
                part(key, KEY).try_into().expect("its length"),
                part(salt, SALT).try_into().expect("its length"),
            ));
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.dtls.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.dtls.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.dtls.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.dtls.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.dtls.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.dtls.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.dtls.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 3711, B.3.
    #[test]
    fn keys_are_derived_as_the_rfc_does() {
        let (protector, _crypto) = Protector::new();
        let key = 0xe1f9_7a0d_3e01_8be0_d64f_a32c_06de_4139_u128.to_be_bytes();
        let salt = [
            0x0e, 0xc6, 0x75, 0xad, 0x49, 0x8a, 0xfe, 0xeb, 0xb6, 0x96, 0x0b, 0x3a, 0xab, 0xe6,
        ];
        *protector.master.lock() = Some((key, salt));
        let keys = protector.keys(RTP_LABEL);
        let encryption = 0xc61e_7a93_744f_39ee_1073_4afe_3ff7_a087_u128;
        assert_eq!(keys.encryption, encryption.to_be_bytes());
        assert_eq!(keys.salt[..4], [0x30, 0xcb, 0xbc, 0x08]);
        assert_eq!(keys.authentication[..4], [0xce, 0xbe, 0x32, 0x1f]);
    }
}
