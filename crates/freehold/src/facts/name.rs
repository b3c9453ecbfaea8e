//! How model names relate: snapshots to the undated name, fine-tunes to their base.

/// Splits a trailing date off a snapshot's name: `-2024-08-06` or `-20240806`.
pub(super) fn undated(model: &str) -> Option<&str> {
    let (head, tail) = model.rsplit_once('-')?;
    if is_digits(tail, 8) {
        return Some(head);
    }
    let (head, month) = head.rsplit_once('-')?;
    let (head, year) = head.rsplit_once('-')?;
    (is_digits(tail, 2) && is_digits(month, 2) && is_digits(year, 4)).then_some(head)
}

/// Returns the base of a fine-tune: `ft:BASE:ORGANISATION:SUFFIX:ID`.
pub(super) fn fine_tune_base(model: &str) -> Option<&str> {
    model.strip_prefix("ft:")?.split(':').next().filter(|base| !base.is_empty())
}

/// Returns the name without the `-latest` that asks for its newest snapshot.
pub(super) fn without_latest(model: &str) -> &str {
    model.strip_suffix("-latest").unwrap_or(model)
}

fn is_digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_split_off_and_nothing_else_is() {
        assert_eq!(undated("gpt-4o-2024-08-06"), Some("gpt-4o"));
        assert_eq!(undated("claude-opus-4-20250514"), Some("claude-opus-4"));
        for name in ["gpt-4-0613", "gpt-4o", "claude-opus-4-8", "mistral-large-2407", "mistral-large-3-25-12", "", "-"]
        {
            assert_eq!(undated(name), None, "{name}");
        }
    }

    #[test]
    fn fine_tunes_name_their_base() {
        assert_eq!(fine_tune_base("ft:gpt-4o-2024-08-06:acme::9xYz"), Some("gpt-4o-2024-08-06"));
        assert_eq!(fine_tune_base("ft:"), None);
        assert_eq!(fine_tune_base("gpt-4o"), None);
    }
}
