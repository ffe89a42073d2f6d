//! The rule that nothing open to other machines is unprotected.

use crate::config::serve::{Listen, ServeSettings};
use crate::error::{Error, Result};
use crate::serve::listen::is_local;

/// # Errors
/// FIELD_INVALID for a listener that other machines reach, with neither TLS nor tokens, and for such a side port, which
/// never has either.
pub fn check_exposure(settings: &ServeSettings) -> Result<()> {
    let protected = settings.tls.is_some() || settings.tokens.is_some();
    let http = settings.http.clone().map(Listen::Tcp);
    let doors = [("listen", Some(&settings.listen)), ("http", http.as_ref())];
    for (setting, door) in doors {
        let Some(door) = door.filter(|_| !protected && !settings.insecure_listen) else {
            continue;
        };
        if !is_local(door)? {
            return Err(exposed("this server", setting, door).hint(
                "give --tls-cert and --tls-key, or --tokens, or both; or listen on 127.0.0.1; or say \
                 --insecure-listen where the network itself keeps others out",
            ));
        }
    }
    match &settings.metrics {
        Some(side) => check_side(side, settings.insecure_metrics),
        None => Ok(()),
    }
}

/// `open`: other machines may reach it.
///
/// # Errors
/// FIELD_INVALID for a side port that other machines reach, unless they may.
pub fn check_side(address: &str, open: bool) -> Result<()> {
    let side = Listen::Tcp(address.to_owned());
    if open || is_local(&side)? {
        return Ok(());
    }
    Err(exposed("the side port", "metrics", &side).hint(
        "listen on 127.0.0.1, or leave it out with --metrics none; or say --insecure-metrics where \
         the network itself keeps others out, or what it tells may be known",
    ))
}

fn exposed(what: &str, setting: &str, listen: &Listen) -> Error {
    Error::field(format!(
        "other machines could reach {what}, and nothing protects it: {setting}={listen}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Endpoint;
    use crate::config::serve::ServeOptions;

    fn refused(file: &str) -> bool {
        let file: ServeOptions = toml::from_str(file).unwrap();
        let nothing = ServeOptions::default();
        let settings = ServeSettings::resolve(nothing, file, &Endpoint::default()).unwrap();
        check_exposure(&settings).is_err()
    }

    #[test]
    fn a_listener_for_other_machines_needs_tls_or_tokens_or_the_word() {
        assert!(refused("listen = '0.0.0.0:1'") && refused("listen = '[::]:1'"));
        assert!(refused("listen = '192.0.2.1:1'"));
        assert!(!refused("") && !refused("listen = 'unix:/s'"));
        assert!(!refused("listen = '0.0.0.0:1'\ntokens = 't'"));
        assert!(!refused(
            "listen = '0.0.0.0:1'\ntls_cert = 'c'\ntls_key = 'k'"
        ));
        assert!(!refused("listen = '0.0.0.0:1'\ninsecure_listen = true"));
    }

    #[test]
    fn plain_http_for_other_machines_is_held_to_the_same() {
        assert!(refused("http = '0.0.0.0:1'") && refused("http = '[::]:1'"));
        assert!(!refused("http = '127.0.0.1:1'") && !refused("http = 'none'"));
        assert!(!refused("http = '0.0.0.0:1'\ntokens = 't'"));
        assert!(!refused("http = '0.0.0.0:1'\ninsecure_listen = true"));
    }

    #[test]
    fn a_side_port_for_other_machines_needs_its_own_word_whatever_protects_the_listener() {
        assert!(refused("metrics = '0.0.0.0:1'") && refused("metrics = '[::]:1'"));
        assert!(refused("metrics = '0.0.0.0:1'\ntokens = 't'"));
        assert!(refused("metrics = '0.0.0.0:1'\ninsecure_listen = true"));
        assert!(refused("listen = '0.0.0.0:1'\ninsecure_metrics = true"));
        assert!(!refused("metrics = '0.0.0.0:1'\ninsecure_metrics = true"));
        assert!(!refused("metrics = '127.0.0.1:1'") && !refused("metrics = 'none'"));
    }
}
