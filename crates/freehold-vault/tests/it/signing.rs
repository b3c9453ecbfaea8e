//! Signing keys: made once, kept close, and read by others' tools.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use freehold_vault::{KeyError, PublicKey, SigningKey};

#[test]
fn a_key_is_made_once_and_signs_the_same_way_after() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let made = SigningKey::open_or_make(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&path).unwrap();
    let read = SigningKey::open_or_make(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before, "a key that is there is never written to");
    assert_eq!(made.public(), read.public());
    let signature = made.sign(b"what was found").unwrap();
    let public = PublicKey::from_pem(&read.public().pem()).unwrap();
    assert!(public.verifies(b"what was found", &signature));
    assert!(!public.verifies(b"what was Found", &signature));
    for at in 0..signature.len() {
        let mut bent = signature.clone();
        bent[at] ^= 1;
        assert!(!public.verifies(b"what was found", &bent), "byte {at}");
    }
    let other = SigningKey::open_or_make(&folder.path().join("other.pem")).unwrap();
    assert!(!other.public().verifies(b"what was found", &signature));
    assert_ne!(other.public().fingerprint(), public.fingerprint());
}

#[test]
fn a_key_that_others_may_read_or_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    SigningKey::open_or_make(&path).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(SigningKey::open_or_make(&path), Err(KeyError::Open { rights: 0o640, .. })));
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    for broken in ["", "key", &text[..text.len() / 2], &text.replace("PRIVATE", "PUBLIC"), &text.replacen('M', "N", 1)]
    {
        std::fs::write(&path, broken).unwrap();
        assert!(matches!(SigningKey::open_or_make(&path), Err(KeyError::Malformed { .. })), "{broken:?}");
    }
    let inside = folder.path().join("missing").join("key.pem");
    assert!(matches!(SigningKey::open_or_make(&inside), Err(KeyError::File { .. })));
    assert!(PublicKey::from_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").is_err());
}

#[test]
fn openssl_verifies_what_we_sign() {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("skipped: no openssl here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::open_or_make(&folder.path().join("key.pem")).unwrap();
    std::fs::write(folder.path().join("text"), "what was found").unwrap();
    std::fs::write(folder.path().join("public.pem"), key.public().pem()).unwrap();
    std::fs::write(folder.path().join("signature"), key.sign(b"what was found").unwrap()).unwrap();
    let told = Command::new("openssl")
        .args(["dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "text"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
}
