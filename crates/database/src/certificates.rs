//! Certificates as administrators make them, with openssl.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of certificates: `ca.pem`, `stranger.pem` (a CA that signed nothing), `NAME.pem` of servers with
/// the key `server.key`, of which `unchained.pem` was signed by `between.pem` and `chained.pem` shows that too, and `client.pem`, `other-client.pem` and `strange-client.pem` with `client.key`.
pub(crate) struct Certificates(PathBuf);

const CONFIGURATION: &str = "
[req]
distinguished_name = name
prompt = no
[name]
CN = unused
[ca]
default_ca = authority
[authority]
database = index.txt
new_certs_dir = .
rand_serial = yes
unique_subject = no
default_md = sha256
policy = policy
[policy]
commonName = supplied
[authority_extensions]
basicConstraints = critical, CA:TRUE
subjectKeyIdentifier = hash
[here]
basicConstraints = CA:FALSE
subjectAltName = DNS:localhost, IP:127.0.0.1
[elsewhere]
basicConstraints = CA:FALSE
subjectAltName = DNS:db.example.com
[nameless]
basicConstraints = CA:FALSE
[own]
basicConstraints = critical, CA:TRUE
subjectAltName = DNS:localhost
";

impl Certificates {
    pub(crate) fn make(folder: &Path) -> Self {
        let made = Self(folder.to_owned());
        std::fs::write(made.path("openssl.cnf"), CONFIGURATION).unwrap();
        std::fs::write(made.path("index.txt"), "").unwrap();
        for key in ["ca.key", "between.key", "stranger.key", "server.key", "client.key"] {
            made.openssl(&format!("ecparam -name prime256v1 -genkey -noout -out {key}"));
        }
        for name in ["ca", "stranger"] {
            made.own(name, name, name, "authority_extensions");
        }
        made.own("own", "server", "localhost", "own");
        made.request("server", "localhost");
        made.request("client", "certified");
        made.sign("good", "server.csr", "ca", "-extfile openssl.cnf -extensions here");
        made.sign("elsewhere", "server.csr", "ca", "-extfile openssl.cnf -extensions elsewhere");
        made.sign("nameless", "server.csr", "ca", "-extfile openssl.cnf -extensions nameless");
        made.request("between", "between");
        made.sign("between", "between.csr", "ca", "-extfile openssl.cnf -extensions authority_extensions");
        made.sign("unchained", "server.csr", "between", "-extfile openssl.cnf -extensions here");
        let chain = ["unchained.pem", "between.pem"].map(|name| std::fs::read(made.path(name)).unwrap());
        std::fs::write(made.path("chained.pem"), chain.concat()).unwrap();
        // What PostgreSQL's manual has one type: without extensions it becomes a certificate of version 1.
        made.sign("version1", "server.csr", "ca", "");
        made.sign("client", "client.csr", "ca", "-extfile openssl.cnf -extensions nameless");
        made.sign("strange-client", "client.csr", "stranger", "-extfile openssl.cnf -extensions nameless");
        made.request("client", "somebody");
        made.sign("other-client", "client.csr", "ca", "-extfile openssl.cnf -extensions nameless");
        let past = "-startdate 20200101000000Z -enddate 20200201000000Z";
        let expire = "ca -batch -notext -config openssl.cnf -in server.csr";
        made.openssl(&format!(
            "{expire} {past} -cert ca.pem -keyfile ca.key -extensions here -out expired.pem"
        ));
        made.openssl(&format!(
            "{expire} {past} -selfsign -keyfile server.key -extensions own -out expired-own.pem"
        ));
        made
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn own(&self, name: &str, key: &str, subject: &str, extensions: &str) {
        self.openssl(&format!(
            "req -config openssl.cnf -x509 -new -key {key}.key -subj /CN={subject} -days 30 -extensions {extensions} \
             -out {name}.pem"
        ));
    }

    fn request(&self, key: &str, subject: &str) {
        self.openssl(&format!(
            "req -config openssl.cnf -new -key {key}.key -subj /CN={subject} -out {key}.csr"
        ));
    }

    fn sign(&self, name: &str, request: &str, by: &str, extensions: &str) {
        self.openssl(&format!(
            "x509 -req -in {request} -CA {by}.pem -CAkey {by}.key -CAcreateserial -days 30 -out {name}.pem {extensions}"
        ));
    }

    fn openssl(&self, arguments: &str) {
        let done = Command::new("openssl").args(arguments.split_whitespace()).current_dir(&self.0).output();
        let done = done.expect("openssl is missing: run scripts/test");
        assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
