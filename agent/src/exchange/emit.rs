//! A resource to YAML: the same value gives the same bytes.
//!
//! Keys are in order, as `kubectl` has them, and texts are written as in our
//! own documents, so that every reader takes them for texts.

use crate::allowlist::render::Scalar;
use serde_json::Value;
use std::fmt::{self, Write as _};

pub(super) fn yaml(value: &Value) -> String {
    let mut out = String::new();
    // A String takes everything that is written to it.
    let _ = block(&mut out, value, 0);
    out
}

/// A mapping, a list or one scalar, on lines of its own.
fn block(out: &mut String, value: &Value, indent: usize) -> fmt::Result {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            for (number, (key, value)) in fields.into_iter().enumerate() {
                // The first stands behind a list's mark.
                let indent_here = if number == 0 { 0 } else { indent };
                write!(out, "{:indent_here$}{}:", "", Scalar(key))?;
                match value {
                    Value::Object(map) if !map.is_empty() => {
                        write!(out, "\n{:1$}", "", indent + 2)?;
                        block(out, value, indent + 2)?;
                    }
                    Value::Array(list) if !list.is_empty() => {
                        write!(out, "\n{:indent$}", "")?;
                        block(out, value, indent)?;
                    }
                    scalar => {
                        out.push(' ');
                        block(out, scalar, indent)?;
                    }
                }
            }
            Ok(())
        }
        Value::Array(list) if !list.is_empty() => {
            for (number, value) in list.iter().enumerate() {
                let indent_here = if number == 0 { 0 } else { indent };
                write!(out, "{:indent_here$}- ", "")?;
                block(out, value, indent + 2)?;
            }
            Ok(())
        }
        Value::Object(_) => writeln!(out, "{{}}"),
        Value::Array(_) => writeln!(out, "[]"),
        Value::String(text) => writeln!(out, "{}", Scalar(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => writeln!(out, "{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowlist::parse_foreign;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn it_looks_as_kubectl_writes_it() {
        let value = json!({
            "kind": "X",
            "spec": {"list": [{"b": ["/x", "no"], "a": -1}, []], "empty": {}, "on": true},
            "metadata": {"name": "1"},
        });
        assert_eq!(
            yaml(&value),
            "kind: X
metadata:
  name: \"1\"
spec:
  empty: {}
  list:
  - a: -1
    b:
    - /x
    - \"no\"
  - []
  \"on\": true
"
        );
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                btree_map("[a-z./]{1,6}|[^\\p{C}]{1,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(inner in value()) {
            let value = json!({"spec": inner});
            let text = yaml(&value);

            prop_assert_eq!(parse_foreign("x", text.as_bytes()), Ok(vec![value]), "{}", text);
        }
    }
}
