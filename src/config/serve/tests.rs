use super::*;

fn resolve(flags: ServeOptions, file: &str) -> Result<ServeSettings> {
    let file = toml::from_str(file).unwrap();
    ServeSettings::resolve(flags, file, &Endpoint::default())
}

#[test]
fn nothing_said_is_loopback_with_a_side_port_and_no_buckets() {
    let settings = resolve(ServeOptions::default(), "").unwrap();
    assert_eq!(settings.listen, Listen::Tcp("127.0.0.1:50051".into()));
    assert_eq!(settings.metrics.as_deref(), Some("127.0.0.1:9464"));
    assert!(settings.source_roots.is_empty() && settings.source_buckets.is_empty());
    assert_eq!(settings.drain_timeout, Duration::from_secs(25));
    assert_eq!(settings.max_connection_age, None);
    assert!(!settings.insecure_listen && !settings.insecure_metrics);
    assert_eq!(
        (settings.max_calls, settings.memory_bytes),
        (512, 512 << 20)
    );
}

#[test]
fn flags_win_over_the_file_and_unknown_keys_are_errors() {
    let flags = ServeOptions {
        listen: Some("unix:/run/fc.sock".into()),
        max_calls: Some(3),
        ..ServeOptions::default()
    };
    let file = "max_calls = 5\nmemory = '2GiB'\nmetrics = 'none'\nsource_bucket = ['a', 'b']\n\
                drain_timeout = '500ms'\nmax_connection_age = '30m'\nlog_format = 'json'\ninsecure_listen = true";
    let settings = resolve(flags, file).unwrap();
    assert_eq!(settings.listen, Listen::Unix("/run/fc.sock".into()));
    assert_eq!((settings.max_calls, settings.memory_bytes), (3, 2 << 30));
    assert_eq!((settings.metrics, settings.insecure_listen), (None, true));
    assert_eq!(settings.source_buckets, ["a", "b"]);
    assert_eq!(settings.max_connection_age, Some(Duration::from_secs(1800)));
    assert_eq!(settings.log_format, LogFormat::Json);
    assert!(toml::from_str::<ServeOptions>("max_cals = 5").is_err());
}

#[test]
fn every_flag_of_serve_is_a_variable_and_a_key_of_its_own_name() {
    let command = <ServeOptions as clap::Args>::augment_args(clap::Command::new("serve"));
    let flags: Vec<_> = command.get_arguments().collect();
    assert!(flags.len() > 15, "{}", flags.len());
    for flag in flags {
        let key = flag.get_long().unwrap().replace('-', "_");
        let variable = flag.get_env().unwrap().to_str().unwrap();
        assert_eq!(variable, format!("FRAMECACHE_{}", key.to_uppercase()));
        // Whatever its type, one of these is a value that it takes.
        let values = ["'none'", "true", "7", "'1s'", "'1GiB'", "'json'", "'local'"];
        let takes = |value| toml::from_str::<ServeOptions>(&format!("{key} = {value}"));
        let taken = values.into_iter().filter_map(|value| takes(value).ok());
        assert!(
            taken
                .into_iter()
                .any(|said| said != ServeOptions::default()),
            "{key}"
        );
    }
}

#[test]
fn what_may_be_said_again_is_a_word_or_a_list_and_the_older_names_still_do() {
    let roots = |file: &str| resolve(ServeOptions::default(), file).unwrap().source_roots;
    for file in [
        "source_root = '/a'",
        "source_root = ['/a']",
        "source_roots = ['/a']",
    ] {
        assert_eq!(roots(file), [PathBuf::from("/a")], "{file}");
    }
    assert!(toml::from_str::<ServeOptions>("source_root = 7").is_err());
}

#[test]
fn sources_are_where_the_store_is_unless_said_otherwise() {
    let store = Endpoint {
        url: Some("http://store:9000".into()),
        region: Some("eu".into()),
        ..Endpoint::default()
    };
    let of = |flags| ServeSettings::resolve(flags, ServeOptions::default(), &store).unwrap();
    assert_eq!(of(ServeOptions::default()).source_endpoint, store);
    let apart = of(ServeOptions {
        source_endpoint: Some("https://media".into()),
        ..ServeOptions::default()
    });
    assert_eq!(apart.source_endpoint.url.as_deref(), Some("https://media"));
    assert_eq!(apart.source_endpoint.region.as_deref(), Some("eu"));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for file in [
        "listen = 'localhost'",
        "listen = ':1'",
        "listen = 'h:99999'",
        "listen = 'unix:'",
        "metrics = 'off'",
        "tls_cert = 'a'",
        "tls_client_ca = 'a'",
        "max_calls = 0",
        "stall_timeout = '0s'",
        "max_connection_age = '0s'",
        "max_connection_age = '999ms'",
        "source_endpoint = 'media:9000'",
    ] {
        assert!(resolve(ServeOptions::default(), file).is_err(), "{file}");
    }
}
