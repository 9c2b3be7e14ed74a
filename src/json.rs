//! JSON parsing that reports repeated names of an object, of which serde_json would silently keep the last.

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Parses one value, and finds the first name that is repeated in any object. Names are compared after
/// unescaping: `"a"` and `"\u0061"` are equal.
///
/// # Errors
/// If the text is not JSON.
pub fn read(bytes: &[u8]) -> serde_json::Result<(Value, Option<String>)> {
    let mut duplicate = None;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Reader(&mut duplicate).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok((value, duplicate))
}

/// Deserializes like [`Value`] and stores the first repeated name.
struct Reader<'a>(&'a mut Option<String>);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(Reader(self.0))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if map.contains_key(&name) {
                self.0.get_or_insert_with(|| name.clone());
            }
            map.insert(name, fields.next_value_seed(Reader(self.0))?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn values_and_errors_are_those_of_serde_json() {
        let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let texts = [
            r#"{"a":null,"b":[true,false,-1,18446744073709551615,1.5,1e400,"c\u0064"],"":{}}"#,
            r#"{"a":[-0,-9223372036854775809,0.1,1e5,"\ud83d\ude00"]}"#,
            r#"{"a":"\ud800"}"#,
            "",
            "null",
            " {} ",
            "{} {}",
            r#"{"a":1,}"#,
            r#"{a:1}"#,
            "{\"a\":\"\u{1}\"}",
            &deep(127),
            &deep(128),
        ];
        for text in texts {
            match (read(text.as_bytes()), serde_json::from_str::<Value>(text)) {
                (Ok(read), Ok(value)) => assert_eq!(read, (value, None), "{text}"),
                (Err(read), Err(e)) => assert_eq!(read.to_string(), e.to_string(), "{text}"),
                (read, value) => panic!("{text}: {read:?}, {value:?}"),
            }
        }
        assert!(read(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn the_first_repeated_name_is_found_at_any_depth() {
        for (text, name) in [
            (r#"{"a":1,"a":2}"#, Some("a")),
            (r#"{"a":1,"\u0061":2}"#, Some("a")),
            (r#"{"a":1,"b":[{"c":{"d":1,"e":2,"d":3}}],"a":2}"#, Some("d")),
            (r#"[[{"":1,"":1}]]"#, Some("")),
            (r#"{"a":{"a":{"b":1}},"b":[{"a":1},{"a":1}],"A":1}"#, None),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap().1.as_deref(), name, "{text}");
        }
    }
}
