//! Landlock: the model's files can be read, and nothing else can be read, written, run, connected to or signalled.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

/// The newest set of rights that was looked at; an older kernel holds what it knows of it.
const KNOWN: ABI = ABI::V7;

/// Hides all files but these from this thread and those that it starts; returns by what, or why not.
pub(crate) fn allow_reading(files: &[PathBuf]) -> Result<String, String> {
    let held = restrict(files).map_err(|error| format!("landlock refused: {error}"))?;
    match (held.ruleset, held.landlock) {
        (
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced,
            LandlockStatus::Available { effective_abi, .. },
        ) => {
            let number = effective_abi as i32;
            let files = if files.len() == 1 { "file" } else { "files" };
            Ok(format!("only the model's {files} can be read, nothing can be written or run (landlock, ABI {number})"))
        }
        (_, LandlockStatus::NotEnabled) => {
            Err("landlock is in this kernel but not enabled; add it to the `lsm=` boot parameter".to_owned())
        }
        (_, LandlockStatus::NotImplemented) => {
            Err("this kernel has no landlock; Linux 5.13 and later have it".to_owned())
        }
        (RulesetStatus::NotEnforced, LandlockStatus::Available { .. }) => Err("landlock holds nothing here".to_owned()),
    }
}

fn restrict(files: &[PathBuf]) -> Result<landlock::RestrictionStatus, RulesetError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?;
    // A file that is missing is told of by whoever opens it.
    let there = files.iter().filter_map(|file| PathFd::new(file).ok());
    let rules = there.map(|file| Ok::<_, RulesetError>(PathBeneath::new(file, AccessFs::ReadFile)));
    ruleset.add_rules(rules)?.restrict_self()
}
