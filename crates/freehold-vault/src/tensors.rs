//! The tensor table of a GGUF header: names, shapes, storage types and extents.

use std::io::Read;

use crate::Error;
use crate::reader::Reader;
use crate::types::Types;

/// The most tensors accepted.
const TENSORS_MAX: u64 = 1_000_000;
/// The most dimensions of a tensor; the format's own limit.
const DIMENSIONS_MAX: u32 = 4;

/// A storage type: its number in the file, its name, and how many bytes hold how many elements.
struct StorageType {
    number: u32,
    name: &'static str,
    block_elements: u64,
    block_bytes: u64,
}

/// Builds a row of the table below.
const fn row(number: u32, name: &'static str, block_elements: u64, block_bytes: u64) -> StorageType {
    StorageType { number, name, block_elements, block_bytes }
}

/// The storage types of ggml (`enum ggml_type` in `ggml.h`; block sizes from `ggml-common.h`).
const STORAGE_TYPES: &[StorageType] = &[
    row(0, "F32", 1, 4),
    row(1, "F16", 1, 2),
    row(2, "Q4_0", 32, 18),
    row(3, "Q4_1", 32, 20),
    row(6, "Q5_0", 32, 22),
    row(7, "Q5_1", 32, 24),
    row(8, "Q8_0", 32, 34),
    row(9, "Q8_1", 32, 36),
    row(10, "Q2_K", 256, 84),
    row(11, "Q3_K", 256, 110),
    row(12, "Q4_K", 256, 144),
    row(13, "Q5_K", 256, 176),
    row(14, "Q6_K", 256, 210),
    row(15, "Q8_K", 256, 292),
    row(16, "IQ2_XXS", 256, 66),
    row(17, "IQ2_XS", 256, 74),
    row(18, "IQ3_XXS", 256, 98),
    row(19, "IQ1_S", 256, 50),
    row(20, "IQ4_NL", 32, 18),
    row(21, "IQ3_S", 256, 110),
    row(22, "IQ2_S", 256, 82),
    row(23, "IQ4_XS", 256, 136),
    row(24, "I8", 1, 1),
    row(25, "I16", 1, 2),
    row(26, "I32", 1, 4),
    row(27, "I64", 1, 8),
    row(28, "F64", 1, 8),
    row(29, "IQ1_M", 256, 56),
    row(30, "BF16", 1, 2),
    row(34, "TQ1_0", 256, 54),
    row(35, "TQ2_0", 256, 66),
    row(39, "MXFP4", 32, 17),
    row(40, "NVFP4", 64, 36),
    row(41, "Q1_0", 128, 18),
    row(42, "Q2_0", 64, 18),
];

/// What the tensor table says in sum.
#[derive(Debug, Default)]
pub(crate) struct Tensors {
    /// How many there are.
    pub(crate) count: u64,
    /// Elements of all tensors.
    pub(crate) parameters: u64,
    /// Bytes of all tensors, without padding.
    pub(crate) bytes: u64,
    /// Where the last one ends, from the start of the data.
    pub(crate) end: u64,
    /// What is stored in which type.
    pub(crate) types: Types,
}

impl Tensors {
    /// Reads `count` rows.
    pub(crate) fn read<R: Read>(reader: &mut Reader<'_, R>, count: u64) -> Result<Tensors, Error> {
        if count > TENSORS_MAX {
            return Err(Error::TooLarge { what: "count of tensors", found: count, max: TENSORS_MAX });
        }
        let mut tensors = Tensors { count, ..Tensors::default() };
        for _ in 0..count {
            let name = String::from_utf8_lossy(&reader.string_bytes()?).into_owned();
            let shape = read_shape(reader, &name)?;
            let number = reader.u32()?;
            let offset = reader.u64()?;
            tensors.add(&name, &shape, number, offset)?;
        }
        Ok(tensors)
    }

    fn add(&mut self, name: &str, shape: &[u64], number: u32, offset: u64) -> Result<(), Error> {
        let storage = STORAGE_TYPES
            .iter()
            .find(|storage| storage.number == number)
            .ok_or_else(|| Error::UnknownTensorType { tensor: name.to_owned(), number })?;
        let overflow = || Error::malformed(format!("the size of tensor {name:?} overflows"));
        let elements = shape.iter().try_fold(1u64, |product, side| product.checked_mul(*side)).ok_or_else(overflow)?;
        if !shape.first().copied().unwrap_or(0).is_multiple_of(storage.block_elements) {
            return Err(Error::malformed(format!(
                "rows of tensor {name:?} are no multiple of a {} block",
                storage.name
            )));
        }
        let bytes = (elements / storage.block_elements).checked_mul(storage.block_bytes).ok_or_else(overflow)?;
        let end = offset.checked_add(bytes).ok_or_else(overflow)?;
        self.end = self.end.max(end);
        self.bytes = self.bytes.checked_add(bytes).ok_or_else(overflow)?;
        self.parameters = self.parameters.checked_add(elements).ok_or_else(overflow)?;
        self.types.add(storage.name, elements, bytes);
        Ok(())
    }
}

fn read_shape<R: Read>(reader: &mut Reader<'_, R>, name: &str) -> Result<Vec<u64>, Error> {
    let dimensions = reader.u32()?;
    if dimensions > DIMENSIONS_MAX {
        let (found, max) = (u64::from(dimensions), u64::from(DIMENSIONS_MAX));
        return Err(Error::TooLarge { what: "count of a tensor's dimensions", found, max });
    }
    let shape = (0..dimensions).map(|_| reader.u64()).collect::<Result<Vec<_>, _>>()?;
    if shape.is_empty() || shape.contains(&0) {
        return Err(Error::malformed(format!("tensor {name:?} is empty")));
    }
    Ok(shape)
}
