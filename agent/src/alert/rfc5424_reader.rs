//! A strict reader of RFC 5424, which knows nothing of the encoder: what tests and
//! fuzzing read messages back with.

/// A message as the ABNF of RFC 5424 section 6 has it.
#[derive(Debug, PartialEq)]
pub(super) struct Parsed {
    pub(super) prival: u8,
    pub(super) timestamp: String,
    pub(super) hostname: String,
    pub(super) app_name: String,
    pub(super) procid: String,
    pub(super) msgid: String,
    pub(super) elements: Vec<(String, Vec<(String, String)>)>,
    pub(super) msg: String,
}

fn header_word<'a>(text: &mut &'a str, most: usize) -> &'a str {
    let (word, rest) = text
        .split_once(' ')
        .expect("a header field ends in a space");
    assert!((1..=most).contains(&word.len()), "{word:?}");
    assert!(word.bytes().all(|b| b.is_ascii_graphic()), "{word:?}");
    *text = rest;
    word
}

/// Reads a message; panics where it is none.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let text = std::str::from_utf8(bytes).expect("is UTF-8");
    assert!(
        !text.chars().any(char::is_control),
        "a control character in {text:?}"
    );
    let prival = text.strip_prefix('<').expect("PRI begins");
    let (prival, mut rest) = prival.split_once(">1 ").expect("PRI ends");
    let timestamp = header_word(&mut rest, 27).to_owned();
    assert!(
        timestamp.ends_with('Z') && timestamp.len() == 27,
        "{timestamp}"
    );
    let hostname = header_word(&mut rest, 255).to_owned();
    let app_name = header_word(&mut rest, 48).to_owned();
    let procid = header_word(&mut rest, 128).to_owned();
    let msgid = header_word(&mut rest, 32).to_owned();
    let mut elements = Vec::new();
    while let Some(inner) = rest.strip_prefix('[') {
        let end = inner.find([' ', ']']).expect("an SD-ID ends");
        let id = inner[..end].to_owned();
        rest = &inner[end..];
        let mut params = Vec::new();
        while let Some(param) = rest.strip_prefix(' ') {
            let (name, quoted) = param.split_once("=\"").expect("a parameter has a value");
            let is_plain = |b: u8| b.is_ascii_graphic() && !b"=]\"".contains(&b);
            assert!((1..=32).contains(&name.len()), "{name:?}");
            assert!(name.bytes().all(is_plain), "{name:?}");
            let (value, after) = param_value_of(quoted);
            params.push((name.to_owned(), value));
            rest = after;
        }
        rest = rest.strip_prefix(']').expect("an element ends in ]");
        elements.push((id, params));
    }
    Parsed {
        prival: prival.parse().expect("PRIVAL is a number"),
        timestamp,
        hostname,
        app_name,
        procid,
        msgid,
        elements,
        msg: rest
            .strip_prefix(' ')
            .expect("a space before MSG")
            .to_owned(),
    }
}

pub(super) fn param_value_of(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            ']' => panic!("a bare ] in a value: {text:?}"),
            '\\' => {
                let (_, escaped) = chars.next().expect("a backslash escapes something");
                assert!(
                    matches!(escaped, '"' | '\\' | ']'),
                    "\\{escaped} in {text:?}"
                );
                value.push(escaped);
            }
            c => value.push(c),
        }
    }
    panic!("a value does not end: {text:?}")
}
