//! Environment variables over the file: `SLUICE_LISTEN`, `SLUICE_WEBRTC_UDP`, `SLUICE_PATHS_DOOR_SOURCE`.

use super::error::{ConfigError, Place};
use super::raw::{Entry, RawConfig, RawPath, RawSource, Text};
use super::raw_access::{RawAuth, RawServerTls, RawTlsFiles, RawToken, RawUser};
use super::raw_forward::{RawForward, RawForwardKeys, RawForwards};
use super::raw_record::RawUpload;

/// A variable's end, and the key of a path that it sets.
type PathKey = (&'static str, fn(&mut RawPath) -> &mut Text);

/// Every scalar key of a path; `SOURCE` is set apart, since it is a list.
const PATH_KEYS: &[PathKey] = &[
    ("PASSWORD_FILE", |path| &mut path.password_file),
    ("PLAYLIST", |path| &mut path.playlist),
    ("LOOP", |path| &mut path.repeat),
    ("ON_DEMAND", |path| &mut path.on_demand),
    ("IDLE_STOP", |path| &mut path.idle_stop),
    ("START_TIMEOUT", |path| &mut path.start_timeout),
    ("STALL_TIMEOUT", |path| &mut path.stall_timeout),
    ("CONNECT_TIMEOUT", |path| &mut path.connect_timeout),
    ("LATENCY", |path| &mut path.latency),
    ("RTSP_TRANSPORT", |path| &mut path.rtsp_transport),
    ("MAX_VIEWERS", |path| &mut path.max_viewers),
    ("TLS_CA_FILE", |path| &mut path.tls.ca_file),
    ("TLS_PIN", |path| &mut path.tls.pin),
    ("GROUP_BYTES", |path| &mut path.group.bytes),
    ("GROUP_SPAN", |path| &mut path.group.span),
    ("RECORD", |path| &mut path.record.on),
    ("RECORD_WHEN", |path| &mut path.record.keys.when),
    ("RECORD_PRE_ROLL", |path| &mut path.record.keys.pre_roll),
    ("RECORD_LOCATION", |path| &mut path.record.keys.location),
    ("RECORD_FORMAT", |path| &mut path.record.keys.format),
    ("RECORD_SEGMENT", |path| &mut path.record.keys.segment),
    ("RECORD_SEGMENT_SIZE", |path| {
        &mut path.record.keys.segment_size
    }),
    ("RECORD_KEEP", |path| &mut path.record.keys.keep),
    ("RECORD_KEEP_SIZE", |path| &mut path.record.keys.keep_size),
    ("RECORD_KEEP_FREE", |path| &mut path.record.keys.keep_free),
    ("TRANSCODE", |path| &mut path.transcode.keys.when),
    ("TRANSCODE_SIZE", |path| &mut path.transcode.keys.size),
    ("TRANSCODE_FRAMERATE", |path| {
        &mut path.transcode.keys.framerate
    }),
    ("TRANSCODE_BITRATE", |path| &mut path.transcode.keys.bitrate),
    ("TRANSCODE_KEY_INTERVAL", |path| {
        &mut path.transcode.keys.key_interval
    }),
    ("PUBLISHER_SECOND", |path| &mut path.publisher.second),
    ("PUBLISHER_ABSENT", |path| &mut path.publisher.absent),
];

/// Lays the variables of `environment` that begin with `SLUICE_` over `raw`.
pub(super) fn apply(raw: &mut RawConfig, environment: &[(String, String)]) -> Vec<ConfigError> {
    let ours = environment
        .iter()
        .filter_map(|(name, value)| Some((name, name.strip_prefix("SLUICE_")?, value)));
    let mut errors = Vec::new();
    for (name, key, value) in ours {
        let place = Place::Variable(name.clone());
        let entry = Entry {
            value: value.clone(),
            place: place.clone(),
        };
        let known = match key {
            "LISTEN" => set(&mut raw.listen, entry),
            "WEBRTC_UDP" => set(&mut raw.webrtc.udp, entry),
            "WEBRTC_UDP_RANGE" => set(&mut raw.webrtc.udp_range, entry),
            "WEBRTC_TRANSPORT" => set(&mut raw.webrtc.transport, entry),
            "WEBRTC_FAN_OUT" => set(&mut raw.webrtc.fan_out, entry),
            "RECORD_DIR" => set(&mut raw.record.dir, entry),
            "RECORD_KEEP" => set(&mut raw.record.keep, entry),
            "RECORD_KEEP_SIZE" => set(&mut raw.record.keep_size, entry),
            "RECORD_KEEP_FREE" => set(&mut raw.record.keep_free, entry),
            "TRANSCODES" => set(&mut raw.transcodes, entry),
            _ if key.starts_with("RECORD_UPLOAD_") => set_upload(raw, key, entry),
            "WEBRTC_RECEIVE_THREADS" => set(&mut raw.webrtc.receive_threads, entry),
            "WEBRTC_PACING" => set(&mut raw.webrtc.pacing, entry),
            "WEBRTC_MAX_CPU" => set(&mut raw.webrtc.max_cpu, entry),
            "WEBRTC_MAX_SEND_DELAY" => set(&mut raw.webrtc.max_send_delay, entry),
            "WEBRTC_TCP" => set(&mut raw.webrtc.tcp, entry),
            "WEBRTC_HOSTS" => {
                raw.webrtc.hosts = Some(split(&entry));
                true
            }
            "WEBRTC_INTERFACES" => {
                raw.webrtc.interfaces = Some(split(&entry));
                true
            }
            "CORS" => {
                raw.cors = Some(RawSource(vec![entry]));
                true
            }
            _ if key == "TLS" || key.starts_with("TLS_") => set_tls(raw, key, entry),
            _ if key.starts_with("AUTH_") => set_auth(raw, key, entry),
            _ if key.starts_with("WEBRTC_ICE_SERVERS_") => set_ice(raw, key, entry),
            _ => match (key.strip_prefix("DEFAULTS_"), key.strip_prefix("PATHS_")) {
                (Some(key), _) => set_in_path(&mut raw.defaults, key, entry),
                (_, Some(key)) => set_in_paths(raw, key, entry),
                // Others may be for another program (tests, wrappers): not ours to refuse.
                _ => !key.starts_with("WEBRTC_"),
            },
        };
        if !known {
            errors.push(ConfigError::new(
                &place,
                "",
                "sets no key that Sluice knows",
                "write SLUICE_, then the key's way in the file in capitals with _ for dots and dashes, such as SLUICE_PATHS_DOOR_SOURCE",
            ));
        }
    }
    errors
}

fn set(slot: &mut Text, entry: Entry<String>) -> bool {
    *slot = Some(entry);
    true
}

fn set_in_path(path: &mut RawPath, key: &str, entry: Entry<String>) -> bool {
    if key == "SOURCE" {
        path.source = Some(RawSource(vec![entry]));
        return true;
    }
    if key == "FORWARD" {
        let place = entry.place;
        let value = RawForward::Url(entry.value);
        path.forward = Some(RawForwards(vec![Entry { value, place }]));
        return true;
    }
    match PATH_KEYS.iter().find(|(name, _)| *name == key) {
        Some((_, slot)) => set(slot(path), entry),
        None => false,
    }
}

/// `DOOR_SOURCE` means the path `door`; a path of that name is made when the file has none.
fn set_in_paths(raw: &mut RawConfig, key: &str, entry: Entry<String>) -> bool {
    if let Some(key) = key.strip_suffix("_TOKEN") {
        return set_forward_token(raw, key, entry);
    }
    let suffixes = PATH_KEYS
        .iter()
        .map(|(name, _)| *name)
        .chain(["SOURCE", "FORWARD"]);
    let Some((path, key)) = suffixes
        .filter_map(|suffix| Some((key.strip_suffix(suffix)?.strip_suffix('_')?, suffix)))
        // The longest path name wins: A_LOOP is a path's key before it is part of a name.
        .min_by_key(|(path, _)| path.len())
    else {
        return false;
    };
    let known = raw
        .paths
        .keys()
        .find(|name| name.to_uppercase().replace('-', "_") == path)
        .cloned();
    let name = known.unwrap_or_else(|| path.to_lowercase());
    let place = entry.place.clone();
    let slot = raw
        .paths
        .entry(name)
        .or_insert(Entry { value: None, place });
    set_in_path(slot.value.get_or_insert_default(), key, entry)
}

/// `STUDIO_FORWARD_1` means the first target of the path `studio` in the file.
fn set_forward_token(raw: &mut RawConfig, key: &str, entry: Entry<String>) -> bool {
    let Some((path, number)) = key.rsplit_once("_FORWARD_") else {
        return false;
    };
    let mut paths = raw.paths.iter_mut();
    let found = paths.find(|(name, _)| name.to_uppercase().replace('-', "_") == path);
    let forwards = found
        .and_then(|(_, path)| path.value.as_mut())
        .and_then(|path| path.forward.as_mut());
    let index = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
    let target = forwards
        .zip(index)
        .and_then(|(all, index)| all.0.get_mut(index));
    let Some(target) = target else { return false };
    let keys = RawForwardKeys {
        token: Some(entry),
        token_file: None,
        ..target.value.keys(&target.place)
    };
    target.value = RawForward::Keys(Box::new(keys));
    true
}

/// `TLS=self-signed`, or the two files.
fn set_tls(raw: &mut RawConfig, key: &str, entry: Entry<String>) -> bool {
    let place = entry.place.clone();
    let tls = raw.tls.get_or_insert_with(|| Entry {
        value: RawServerTls::Files(RawTlsFiles::default()),
        place,
    });
    if key == "TLS" {
        tls.value = RawServerTls::Word(entry.value);
        return true;
    }
    if let RawServerTls::Word(_) = tls.value {
        tls.value = RawServerTls::Files(RawTlsFiles::default());
    }
    match (&mut tls.value, key) {
        (RawServerTls::Files(files), "TLS_CERT") => set(&mut files.cert, entry),
        (RawServerTls::Files(files), "TLS_KEY") => set(&mut files.key, entry),
        (RawServerTls::Files(_) | RawServerTls::Word(_), _) => false,
    }
}

/// `RECORD_UPLOAD_TO` and its like; a secret takes the place of the file's.
fn set_upload(raw: &mut RawConfig, key: &str, entry: Entry<String>) -> bool {
    let place = entry.place.clone();
    let upload = raw.record.upload.get_or_insert_with(|| Entry {
        value: RawUpload::default(),
        place,
    });
    let upload = &mut upload.value;
    let slot = match key {
        "RECORD_UPLOAD_TO" => &mut upload.to,
        "RECORD_UPLOAD_ENDPOINT" => &mut upload.endpoint,
        "RECORD_UPLOAD_REGION" => &mut upload.region,
        "RECORD_UPLOAD_KEY" => &mut upload.key,
        "RECORD_UPLOAD_SECRET" => {
            upload.secret_file = None;
            &mut upload.secret
        }
        "RECORD_UPLOAD_SECRET_FILE" => {
            upload.secret = None;
            &mut upload.secret_file
        }
        "RECORD_UPLOAD_DELETE_LOCAL" => &mut upload.delete_local,
        "RECORD_UPLOAD_DELETE_WAITING" => &mut upload.delete_waiting,
        _ => return false,
    };
    set(slot, entry)
}

/// Secrets of people and programs, and what differs between machines; rules belong into the file.
fn set_auth(raw: &mut RawConfig, key: &str, entry: Entry<String>) -> bool {
    let place = entry.place.clone();
    let auth = &mut raw
        .auth
        .get_or_insert_with(|| Entry {
            value: RawAuth::default(),
            place: place.clone(),
        })
        .value;
    if let Some(name) = key.strip_prefix("AUTH_USERS_") {
        let name = known_name(auth.users.keys(), name);
        let user = auth.users.entry(name).or_insert_with(|| Entry {
            value: RawUser::default(),
            place,
        });
        user.value.password_file = None;
        return set(&mut user.value.password, entry);
    }
    if let Some(name) = key.strip_prefix("AUTH_TOKENS_") {
        let name = known_name(auth.tokens.keys(), name);
        let token = auth.tokens.entry(name).or_insert_with(|| Entry {
            value: RawToken::default(),
            place,
        });
        token.value.token_file = None;
        return set(&mut token.value.token, entry);
    }
    match key {
        "AUTH_RATE_LIMIT" => set(&mut auth.rate_limit, entry),
        "AUTH_JWT_SECRET" => match &mut auth.jwt {
            Some(jwt) => set(&mut jwt.value.secret, entry),
            None => false,
        },
        "AUTH_HOOK_URL" => match &mut auth.hook {
            Some(hook) => set(&mut hook.value.url, entry),
            None => false,
        },
        _ => false,
    }
}

/// Reads several values with commas between them.
fn split(entry: &Entry<String>) -> RawSource {
    let values = entry.value.split(',').map(|value| Entry {
        value: value.trim().to_owned(),
        place: entry.place.clone(),
    });
    RawSource(values.collect())
}

/// The name of the file that the variable's capitals mean; one that is new is written in lower case.
fn known_name<'a>(mut names: impl Iterator<Item = &'a String>, capitals: &str) -> String {
    let same = |name: &&String| name.to_uppercase().replace(['-', '.', '@'], "_") == capitals;
    names
        .find(same)
        .cloned()
        .unwrap_or_else(|| capitals.to_lowercase())
}

/// `WEBRTC_ICE_SERVERS_1_SECRET` belongs to the first server of the file.
fn set_ice(raw: &mut RawConfig, key: &str, entry: Entry<String>) -> bool {
    let Some((number, key)) = key
        .strip_prefix("WEBRTC_ICE_SERVERS_")
        .and_then(|rest| rest.split_once('_'))
    else {
        return false;
    };
    let index = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
    let Some(server) = index.and_then(|index| raw.webrtc.ice_servers.get_mut(index)) else {
        return false;
    };
    match key {
        "SECRET" => set(&mut server.value.secret, entry),
        "CREDENTIAL" => set(&mut server.value.credential, entry),
        _ => false,
    }
}
