//! What a process is, written and read back.

use super::RecordError;
use crate::model::{Identity, Layer, Role, Script, Untrusted};
use serde::{Deserialize, Serialize};

/// What a process is, as it stands in an entry and in what is held.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityRecord {
    pub(super) file: Bytes,
    /// Of `file`.
    pub(super) layer: Layer,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) applet: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) script: Option<Bytes>,
    /// Before format 2 not known: the image's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) script_layer: Layer,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) via: Vec<Bytes>,
}

pub(super) fn is_default(layer: &Layer) -> bool {
    *layer == Layer::default()
}

/// Bytes: text where they are UTF-8, else `{"hex": "…"}`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Bytes {
    Text(String),
    Hex { hex: String },
}

impl From<&Untrusted> for Bytes {
    fn from(bytes: &Untrusted) -> Self {
        match std::str::from_utf8(bytes.as_bytes()) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex {
                hex: bytes
                    .as_bytes()
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect(),
            },
        }
    }
}

impl TryFrom<Bytes> for Untrusted {
    type Error = RecordError;

    fn try_from(bytes: Bytes) -> Result<Self, RecordError> {
        let hex = match bytes {
            Bytes::Text(text) => return Ok(Self::new(text)),
            Bytes::Hex { hex } => hex,
        };
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> = pairs
            .iter()
            .map(|[high, low]| u8::try_from(digit(high)? << 4 | digit(low)?).ok())
            .collect();
        match bytes {
            Some(bytes) if rest.is_empty() => Ok(Self::new(bytes)),
            _ => Err(RecordError::BadHex(hex)),
        }
    }
}

impl From<&Identity> for IdentityRecord {
    fn from(identity: &Identity) -> Self {
        let script = identity.as_script();
        Self {
            file: (&identity.file).into(),
            layer: identity.layer,
            applet: match &identity.role {
                Role::Applet(name) => Some(name.into()),
                Role::Program | Role::Script(_) => None,
            },
            script: script.map(|script| Bytes::from(&script.path)),
            script_layer: script.map_or_else(Layer::default, |script| script.layer),
            via: script.map_or_else(Vec::new, |script| {
                script.via.iter().map(Bytes::from).collect()
            }),
        }
    }
}

pub(super) fn read_identity(
    number: usize,
    record: IdentityRecord,
) -> Result<Identity, RecordError> {
    let role = match (record.applet, record.script) {
        (None, Some(path)) => Role::Script(Script {
            path: path.try_into()?,
            via: record
                .via
                .into_iter()
                .map(Untrusted::try_from)
                .collect::<Result<_, _>>()?,
            layer: record.script_layer,
        }),
        (applet, None) if record.via.is_empty() && is_default(&record.script_layer) => match applet
        {
            Some(name) => Role::Applet(name.try_into()?),
            None => Role::Program,
        },
        _ => return Err(RecordError::BadRole(number)),
    };
    Ok(Identity {
        file: record.file.try_into()?,
        role,
        layer: record.layer,
    })
}
