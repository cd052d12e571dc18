//! What may be a name at all. Pure.

/// The longest name, in bytes: Kubernetes' own bound.
pub(super) const NAME_MAX: usize = 253;
/// The longest image reference, in bytes: name, tag and digest at their bounds.
const IMAGE_MAX: usize = 512;

/// The longest name of a workload that a document may have, in bytes.
const WORKLOAD_MAX: usize = 255;

/// 1 to 253 bytes of `[A-Za-z0-9._-]` that begin with a letter or a digit.
pub(super) fn plain_name(text: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let fits = (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(plain);
    (fits && text.as_bytes()[0].is_ascii_alphanumeric()).then(|| text.to_owned())
}

/// 1 to 512 bytes of `[A-Za-z0-9._/:@-]`.
pub(super) fn plain_image(text: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b);
    let fits = (1..=IMAGE_MAX).contains(&text.len()) && text.bytes().all(plain);
    fits.then(|| text.to_owned())
}

/// An image's name without tag, digest and the registry that goes without
/// saying, `/` written as `.`: a workload's name is one word. An image that is
/// only known by its digest has none.
pub(super) fn image_name(reference: &str) -> Option<String> {
    let name = reference.split('@').next().unwrap_or(reference);
    let name = match name.rsplit_once(':') {
        // A colon before the last slash belongs to the registry's port.
        Some((front, tag)) if !tag.contains('/') => front,
        _ => name,
    };
    let name = ["docker.io/library/", "docker.io/", "localhost/"]
        .iter()
        .find_map(|usual| name.strip_prefix(usual))
        .unwrap_or(name);
    let is_digest =
        name == "sha256" || (name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()));
    plain_name(&name.replace('/', ".").replace(':', "-")).filter(|_| !is_digest)
}

/// A workload's name that was put together from plain ones, unless it is longer
/// than a document may have it.
pub(super) fn put_together(name: String) -> Option<String> {
    (name.len() <= WORKLOAD_MAX).then_some(name)
}

/// `sha256:` and 64 hexadecimal digits.
pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_images_are_bounded() {
        for (length, fits) in [
            (0, false),
            (1, true),
            (NAME_MAX, true),
            (NAME_MAX + 1, false),
        ] {
            assert_eq!(plain_name(&"a".repeat(length)).is_some(), fits, "{length}");
        }
        for (length, fits) in [
            (0, false),
            (1, true),
            (IMAGE_MAX, true),
            (IMAGE_MAX + 1, false),
        ] {
            assert_eq!(plain_image(&"a".repeat(length)).is_some(), fits, "{length}");
        }
    }

    #[test]
    fn an_images_name_has_no_tag_and_no_digest() {
        for (reference, name) in [
            ("nginx", Some("nginx")),
            ("docker.io/library/nginx:1.25@sha256:ab", Some("nginx")),
            ("docker.io/acme/web", Some("acme.web")),
            ("localhost/web:latest", Some("web")),
            ("registry:5000/acme/web:1", Some("registry-5000.acme.web")),
            ("sha256:0123", None),
            (&"a".repeat(64), None),
            (":1", None),
            ("", None),
        ] {
            assert_eq!(image_name(reference).as_deref(), name, "{reference}");
        }
    }
}
