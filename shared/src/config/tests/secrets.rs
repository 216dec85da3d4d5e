//! No secret is ever shown.

use super::*;

#[test]
fn debug_shows_none() {
    let file = "[sms]\nwebhook_secret = \"s3cret-of-thirty-two-characters-or-more\"\n\
        [sms.providers.kavenegar]\napi_key = \"s3cret-api\"";
    let config = load(file, &[("PEYK__DATABASE__URL", "postgres://u:s3cret-db@h/d")]).unwrap();
    let shown = format!("{config:?} {config:#?}");
    for secret in ["s3cret", DJANGO, KEY] {
        assert!(!shown.contains(secret));
    }
    assert!(shown.contains("kavenegar"));
}

#[test]
fn errors_show_none_whatever_the_mistake() {
    let file = r#"
        [database]
        url = 73579135
        [redis]
        url = ["s3cret"]
        [auth]
        refresh_key = "s3cret"
        [auth.keys.new]
        private_key = "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----"
        [otp.keys]
        k2 = "s3cret!"
        [sms.providers.a]
        base_url = "http://user:s3cret@sms.test"
        [http]
        public_url = "https://user:s3cret@peyk.test"
        trusted_proxies = ["s3cret"]
        listen = "s3cret"
    "#;
    let mut env = required();
    env.retain(|(name, _)| name != "PEYK__DATABASE__URL" && name != "PEYK__AUTH__REFRESH_KEY");
    let errors = Config::from_parts(Some(("peyk.toml", file)), env).unwrap_err();
    let mut paths: Vec<_> = errors.0.iter().map(|error| error.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "auth.keys.new.private_key",
            "auth.refresh_key",
            "database.url",
            "http.listen",
            "http.public_url",
            "http.trusted_proxies[0]",
            "otp.keys.k2",
            "redis.url",
            "sms.providers.a.base_url",
        ]
    );
    let shown = format!("{errors} {errors:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("73579135"), "{shown}");
}
