//! Where a model is fetched from, and under which name it may be kept: nothing that a stranger writes leads out of the folder.

use http::Uri;

use crate::exit::Fault;

/// The hub that `hub:` stands for.
pub(crate) const HUB: &str = "https://huggingface.co";
/// The longest name of a file, in bytes.
const NAME_BYTES_MAX: usize = 180;
/// The length of a commit's name, in hexadecimal digits.
const COMMIT_DIGITS: usize = 40;

/// What is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// As it was written.
    pub(crate) spec: String,
    /// The address.
    pub(crate) url: Uri,
    /// The name of the file at its source.
    pub(crate) file: String,
    /// The commit that the file is pinned to, where it comes from a hub.
    pub(crate) commit: Option<String>,
}

impl Source {
    /// Reads an address, or `hub:OWNER/NAME@COMMIT/FILE` of the hub at `hub`.
    ///
    /// # Errors
    /// It is neither, is not pinned to a commit, or names a file that may not be kept.
    pub(crate) fn parse(spec: &str, hub: &str) -> Result<Self, Fault> {
        match spec.strip_prefix("hub:") {
            Some(rest) => Source::of_hub(spec, rest, hub),
            None => Source::of_url(spec),
        }
    }

    fn of_hub(spec: &str, rest: &str, hub: &str) -> Result<Self, Fault> {
        let wrong = |what: &str| {
            Fault::input(format!("{spec:?} {what}")).hint(
                "write hub:OWNER/NAME@COMMIT/FILE with the whole commit, 40 digits; a hub shows it below \"history\"",
            )
        };
        let (repository, pinned) = rest.split_once('@').ok_or_else(|| wrong("names no commit: a branch would move"))?;
        let (commit, path) = pinned.split_once('/').ok_or_else(|| wrong("names no file"))?;
        let is_commit = commit.len() == COMMIT_DIGITS && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_commit {
            return Err(wrong("is not pinned to a commit: a branch or tag would move"));
        }
        let parts: Vec<&str> = repository.split('/').collect();
        if parts.len() != 2 || !parts.iter().chain(&path.split('/').collect::<Vec<_>>()).all(|part| is_plain(part)) {
            return Err(wrong("holds a part that is no plain name"));
        }
        let address = format!("{}/{repository}/resolve/{commit}/{path}", hub.trim_end_matches('/'));
        let mut source = Source::of_url(&address)?;
        spec.clone_into(&mut source.spec);
        source.commit = Some(commit.to_ascii_lowercase());
        Ok(source)
    }

    fn of_url(spec: &str) -> Result<Self, Fault> {
        let wrong = || Fault::input(format!("{spec:?} is no address of a file"));
        let hint = "write https://HOST/PATH/FILE, or hub:OWNER/NAME@COMMIT/FILE";
        let url: Uri = spec.parse().map_err(|error: http::uri::InvalidUri| wrong().because(error).hint(hint))?;
        if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none() {
            return Err(wrong().hint(hint));
        }
        if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong().hint("leave name and password out: they would be written to logs"));
        }
        let file = url.path().rsplit('/').next().unwrap_or_default().to_owned();
        let file = name(&file).map_err(|fault| fault.hint("give the file a name of its own with --name FILE"));
        Ok(Source { spec: spec.to_owned(), file: file.unwrap_or_default(), url, commit: None })
    }

    /// Returns whether somebody on the way could have altered what comes, for all that the transport says.
    pub(crate) fn is_open(&self) -> bool {
        self.url.scheme_str() == Some("http") && !is_loopback(&self.url)
    }
}

/// Returns whether an address is of this machine.
pub(crate) fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns whether a part of a path is a plain name.
fn is_plain(part: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+');
    (1..=NAME_BYTES_MAX).contains(&part.len()) && !part.starts_with('.') && part.bytes().all(allowed)
}

/// Checks a name under which a file or folder is to be kept.
///
/// # Errors
/// It is no plain name, or one that is kept for files under way.
pub(crate) fn name(text: &str) -> Result<String, Fault> {
    let is_ours = [".part", ".part.json", ".lock.json"].iter().any(|ending| text.ends_with(ending));
    if !is_plain(text) || is_ours {
        return Err(Fault::input(format!("{text:?} is no name to keep a file under"))
            .hint("give one with --name FILE, of letters, digits, '.', '_' and '-'"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{HUB, Source, name};

    const COMMIT: &str = "0123456789abcdef0123456789ABCDEF01234567";

    #[test]
    fn hub_is_an_address_of_a_commit() {
        let source = Source::parse(&format!("hub:org/model@{COMMIT}/sub/m.gguf"), HUB).unwrap();
        assert_eq!(source.url, format!("{HUB}/org/model/resolve/{COMMIT}/sub/m.gguf").parse::<http::Uri>().unwrap());
        assert_eq!((source.file.as_str(), source.commit), ("m.gguf", Some(COMMIT.to_lowercase())));
    }

    #[test]
    fn what_is_not_pinned_or_leads_elsewhere_is_refused() {
        let pinned = |rest: &str| format!("hub:org/model@{COMMIT}/{rest}");
        for spec in [
            "hub:org/model/m.gguf",
            "hub:org/model@main/m.gguf",
            "hub:org/model@0123456/m.gguf",
            "hub:org@0123456789abcdef0123456789abcdef01234567/m.gguf",
            &pinned(""),
            &pinned("../m.gguf"),
            &pinned("a//m.gguf"),
            &pinned("m.gguf?x=1"),
            "hub:../model@0123456789abcdef0123456789abcdef01234567/m.gguf",
            "ftp://host/m.gguf",
            "m.gguf",
            "https://name:secret@host/m.gguf",
            "https://",
        ] {
            assert!(Source::parse(spec, HUB).is_err(), "{spec}");
        }
    }

    #[test]
    fn names_stay_in_their_folder() {
        for text in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "a\\b",
            "/etc/passwd",
            "a b",
            "%2e%2e",
            "a\0b",
            "m.gguf.part",
            "m.lock.json",
        ] {
            assert!(name(text).is_err(), "{text:?}");
        }
        assert_eq!(name("Model-1.5_q4+k.gguf").unwrap(), "Model-1.5_q4+k.gguf");
        // Nothing is decoded: such a name is asked for with --name.
        assert_eq!(Source::parse("https://host/..%2f..%2fm.gguf", HUB).unwrap().file, "");
    }

    #[test]
    fn only_other_machines_without_encryption_are_open() {
        let is_open = |spec: &str| Source::parse(spec, HUB).unwrap().is_open();
        assert!(is_open("http://host/m.gguf"));
        assert!(!is_open("https://host/m.gguf"));
        assert!(
            !is_open("http://127.0.0.1:80/m.gguf")
                && !is_open("http://[::1]/m.gguf")
                && !is_open("http://localhost/m.gguf")
        );
    }
}
