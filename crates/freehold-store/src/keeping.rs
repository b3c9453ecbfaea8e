//! What of a call is kept: decided and carried out before anything of it is written.

use std::collections::HashMap;

use freehold_wire::{Call, Digest, Instead};
use ring::digest::{SHA256, digest};

use crate::mask::Masking;

/// How much is kept of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bodies {
    /// Everything.
    #[default]
    Full,
    /// Tokens, times, step and the like; of request and response only sizes and digests.
    Metadata,
}

/// What is kept of calls, and what of it is masked; clones share the rules. By default everything is kept as it is.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    /// What is masked.
    pub masking: Masking,
    /// How much is kept of calls of steps that are not named.
    pub bodies: Bodies,
    /// How much of calls of single steps.
    pub steps: HashMap<String, Bodies>,
}

impl Keeping {
    /// Masks a call, or takes its bodies away and leaves their digests; a call whose bodies are not there stays as it is.
    pub fn apply(&self, call: &mut Call) {
        if call.kept.instead.is_some() {
            return;
        }
        let of_step = self.steps.get(&call.step).copied();
        match of_step.unwrap_or(self.bodies) {
            Bodies::Full => self.masking.apply(call),
            Bodies::Metadata => {
                let (request, response) = (std::mem::take(&mut call.request), std::mem::take(&mut call.response));
                call.kept.instead =
                    Some(Instead::Digests { request: digest_of(&request), response: digest_of(&response) });
            }
        }
    }
}

fn digest_of(body: &[u8]) -> Digest {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, body).as_ref());
    Digest { bytes: body.len() as u64, sha256 }
}
