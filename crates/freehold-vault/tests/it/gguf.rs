//! Writes small GGUF files.

/// A GGUF file in the making.
#[derive(Default)]
pub(crate) struct Gguf {
    entries: Vec<Vec<u8>>,
    tensors: Vec<Vec<u8>>,
    data: Vec<u8>,
}

pub(crate) fn string(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

impl Gguf {
    /// A one-layer model that is complete enough to be described.
    pub(crate) fn small() -> Gguf {
        let mut file = Gguf::default();
        file.text("general.architecture", "llama");
        file.text("general.name", "small one");
        file.text("tokenizer.ggml.model", "gpt2");
        file.text("tokenizer.chat_template", "{{ messages }}");
        for (key, number) in [
            ("llama.context_length", 256),
            ("llama.embedding_length", 64),
            ("llama.block_count", 3),
            ("llama.attention.head_count", 8),
            ("llama.attention.head_count_kv", 4),
        ] {
            file.number(key, number);
        }
        file.strings("tokenizer.ggml.tokens", &["a", "b", "c"]);
        file.tensor("token_embd.weight", &[64, 3], (0, 4 * 64 * 3));
        file.tensor("blk.0.ffn.weight", &[64, 64], (8, 64 * 64 / 32 * 34));
        file
    }

    pub(crate) fn entry(&mut self, key: &str, number: u32, value: &[u8]) {
        let mut bytes = string(key);
        bytes.extend(number.to_le_bytes());
        bytes.extend(value);
        self.entries.push(bytes);
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.entry(key, 8, &string(value));
    }

    pub(crate) fn number(&mut self, key: &str, value: u32) {
        self.entry(key, 4, &value.to_le_bytes());
    }

    pub(crate) fn strings(&mut self, key: &str, values: &[&str]) {
        let mut bytes = 8u32.to_le_bytes().to_vec();
        bytes.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| bytes.extend(string(value)));
        self.entry(key, 9, &bytes);
    }

    pub(crate) fn tensor(&mut self, name: &str, shape: &[u64], (number, bytes): (u32, usize)) {
        self.tensor_at(name, shape, number, self.data.len() as u64);
        self.data.extend((0..bytes).map(|index| (index % 251) as u8));
        self.data.resize(self.data.len().next_multiple_of(32), 0);
    }

    pub(crate) fn tensor_at(&mut self, name: &str, shape: &[u64], number: u32, offset: u64) {
        let mut row = string(name);
        row.extend((shape.len() as u32).to_le_bytes());
        shape.iter().for_each(|side| row.extend(side.to_le_bytes()));
        row.extend(number.to_le_bytes());
        row.extend(offset.to_le_bytes());
        self.tensors.push(row);
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.entries.len() as u64).to_le_bytes());
        bytes.extend(self.entries.concat());
        bytes.extend(self.tensors.concat());
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend(&self.data);
        bytes
    }
}
