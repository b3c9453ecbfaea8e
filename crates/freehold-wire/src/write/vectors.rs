//! Writes the answer of the Embeddings API.

use serde_json::{Value, json};

use crate::json::Json;

/// How vectors are spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorForm {
    /// As arrays of numbers.
    Numbers,
    /// As base64 of little-endian numbers of 32 bits, which official clients ask for by themselves.
    Base64,
}

/// What a request for embeddings asks of the vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorsAsked {
    /// How they are spelt.
    pub form: VectorForm,
    /// How many numbers each has; as many as the model gives where not said.
    pub dimensions: Option<u64>,
}

impl VectorsAsked {
    /// Reads the body of a request; a form that is not known is answered in numbers.
    pub fn read(body: &[u8]) -> VectorsAsked {
        let asked = Json::parse(body).ok();
        let member = |name| asked.as_ref().and_then(|json| json.get(name));
        let form = match member("encoding_format").and_then(Json::as_str) {
            Some("base64") => VectorForm::Base64,
            _ => VectorForm::Numbers,
        };
        VectorsAsked { form, dimensions: member("dimensions").and_then(Json::as_count) }
    }
}

/// Returns the body of an answer with these vectors, in this form, of texts with so many tokens.
pub fn vectors(model: &str, vectors: &[Vec<f32>], (form, tokens): (VectorForm, u64)) -> Vec<u8> {
    let spelt = |vector: &[f32]| match form {
        VectorForm::Numbers => json!(vector),
        VectorForm::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|part| part.to_le_bytes()).collect();
            Value::from(base64(&bytes))
        }
    };
    let data: Vec<Value> = vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| json!({"object": "embedding", "index": index, "embedding": spelt(vector)}))
        .collect();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    json!({"object": "list", "data": data, "model": model, "usage": usage}).to_string().into_bytes()
}

/// Spells bytes in base64 (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let six = (bits >> (18 - 6 * place)) & 63;
            text.push(if place <= three.len() { char::from(ALPHABET[six as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648, section 10.
    #[test]
    fn bytes_are_spelt_as_the_standard_has_it() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn vectors_are_written_in_the_form_that_was_asked_for() {
        let body = |form| -> Value { serde_json::from_slice(&vectors("m", &[vec![1.0, -0.5]], (form, 3))).unwrap() };
        let numbers = body(VectorsAsked::read(b"{\"input\": \"x\"}").form);
        assert_eq!(numbers["data"], json!([{"object": "embedding", "index": 0, "embedding": [1.0, -0.5]}]));
        assert_eq!(numbers["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
        let base64 = body(VectorsAsked::read(b"{\"encoding_format\": \"base64\"}").form);
        assert_eq!(base64["data"][0]["embedding"], "AACAPwAAAL8=");
    }
}
