//! One try by HTTP or HTTPS, redirections followed as Mesos' own executors do, which run
//! `curl -L -k`: but not out of the pod to a name, whose answer would tell nothing of the pod.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::HttpGet;
use super::Scheme;
use super::location::{Elsewhere, Target};
use super::probe::{connect, within};
use crate::tls::{Tls, Trust};

/// As many as curl follows.
const REDIRECTIONS_MAX: u32 = 50;
/// What stands before a body is shorter; a status line too.
const HEAD_MAX: u64 = 64 << 10;

/// The status code of the last answer.
pub(in crate::supervisor) async fn http(
    netns: Option<PathBuf>,
    get: HttpGet,
    names: Vec<(IpAddr, Vec<String>)>,
    limit: Option<Duration>,
) -> Result<u16, String> {
    let status = async {
        let mut target = Target::of(&get);
        for _ in 0..=REDIRECTIONS_MAX {
            let answer = ask(netns.clone(), &target).await?;
            let Some(location) = answer.location else {
                return Ok(answer.code);
            };
            target = match target.redirected(&location, &names) {
                Ok(target) => target,
                Err(Elsewhere::Outside) => return Ok(answer.code),
                Err(Elsewhere::Malformed) => {
                    return Err(bad(format!(
                        "it redirects to {location:?}, which is no place"
                    )));
                }
            };
        }
        Err(bad(format!(
            "it redirects more than {REDIRECTIONS_MAX} times"
        )))
    };
    within(limit, status).await
}

/// What stands at the beginning of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    code: u16,
    /// Where a redirection leads.
    location: Option<String>,
}

async fn ask(netns: Option<PathBuf>, target: &Target) -> io::Result<Answer> {
    let stream = connect(netns, target.address).await?;
    match target.scheme {
        Scheme::Http => request(stream, target).await,
        Scheme::Https => {
            let tls = Tls::new(Trust::Anyone, None).map_err(io::Error::other)?;
            let stream = tls.shake_hands(stream, target.address.ip()).await?;
            request(stream, target).await
        }
    }
}

async fn request(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    target: &Target,
) -> io::Result<Answer> {
    let Target {
        authority, path, ..
    } = target;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: compose-executor\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    read_answer(stream.take(HEAD_MAX)).await
}

/// Reads as far as is needed: a body never, and lines after the first only where they may say where
/// to go. Answers that only announce another (1xx) are passed over.
async fn read_answer(mut stream: impl AsyncRead + Unpin) -> io::Result<Answer> {
    let mut read = Vec::new();
    let mut begin = 0;
    loop {
        let at_end = stream.read_buf(&mut read).await? == 0;
        while let Some(step) = look(&read[begin..], at_end) {
            match step {
                Step::Answer(answer) => return Ok(answer),
                Step::Another(length) => begin += length,
                Step::NotHttp => return Err(bad("it does not speak HTTP".to_owned())),
            }
        }
        if at_end {
            return Err(bad("it ends in the middle of its answer".to_owned()));
        }
    }
}

/// What the beginning of an answer tells.
enum Step {
    Answer(Answer),
    /// Another follows after so many bytes.
    Another(usize),
    NotHttp,
}

/// None: it takes more to tell.
fn look(text: &[u8], at_end: bool) -> Option<Step> {
    let Some(line) = memchr::memchr(b'\n', text).or_else(|| at_end.then_some(text.len())) else {
        return (text.len() > 256).then_some(Step::NotHttp);
    };
    let Some(code) = status(&text[..line]) else {
        return Some(Step::NotHttp);
    };
    let answer = |location| Some(Step::Answer(Answer { code, location }));
    if !(100..200).contains(&code) && !(300..400).contains(&code) {
        return answer(None);
    }
    let mut end = line;
    let mut location = None;
    loop {
        let begin = end + 1;
        let rest = text.get(begin..).unwrap_or_default();
        let Some(length) = memchr::memchr(b'\n', rest) else {
            return if at_end { answer(location) } else { None };
        };
        let header = rest[..length].trim_ascii_end();
        end = begin + length;
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = split(header)
            && name.eq_ignore_ascii_case(b"location")
            && location.is_none()
        {
            location = Some(String::from_utf8_lossy(value.trim_ascii()).into_owned());
        }
    }
    if code < 200 {
        return Some(Step::Another(end + 1));
    }
    answer(location)
}

fn split(header: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', header)?;
    Some((&header[..colon], &header[colon + 1..]))
}

/// The code of `HTTP/1.1 200 OK`.
fn status(line: &[u8]) -> Option<u16> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    words.next()?.strip_prefix("HTTP/")?;
    let code: u16 = words.next()?.parse().ok()?;
    (100..1000).contains(&code).then_some(code)
}

fn bad(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    use super::super::Family;
    use super::*;

    async fn answer(text: &[u8]) -> Result<(u16, Option<String>), String> {
        let answer = read_answer(text).await.map_err(|error| error.to_string())?;
        Ok((answer.code, answer.location))
    }

    #[tokio::test]
    async fn an_answer_has_a_code_and_a_redirection_a_place() {
        for (text, code, location) in [
            (
                &b"HTTP/1.1 204 No Content\r\nLocation: /x\r\n"[..],
                204,
                None,
            ),
            (b"HTTP/1.0 503", 503, None),
            (
                b"HTTP/1.1 302 Found\r\nServer: x\r\nlocation:  /y \r\n\r\nbody",
                302,
                Some("/y"),
            ),
            (
                b"HTTP/1.1 304 Not Modified\r\n\r\nLocation: /z\r\n",
                304,
                None,
            ),
            (
                b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n",
                200,
                None,
            ),
            (b"HTTP/1.1 301 Moved\nLocation: /n", 301, None),
        ] {
            let expected = Ok((code, location.map(str::to_owned)));
            assert_eq!(answer(text).await, expected);
        }
        for bad in [
            &b""[..],
            b"SSH-2.0-x\r\n",
            b"HTTP/1.1 abc\r\n",
            b"HTTP/1.1 7\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
        ] {
            assert!(answer(bad).await.is_err());
        }
    }

    proptest! {
        #[test]
        fn no_answer_does_harm(text: Vec<u8>, cut in 0usize..64) {
            let whole = [b"HTTP/1.1 302 Found\r\nLocation: ", &text[..]].concat();
            for text in [&text[..], &whole, &whole[..cut.min(whole.len())]] {
                let _ = look(text, true);
                let _ = look(text, false);
            }
        }
    }

    fn get(scheme: Scheme, port: u16) -> HttpGet {
        HttpGet {
            scheme,
            port,
            path: "/health".to_owned(),
            family: Family::Ipv4,
        }
    }

    async fn ask_for(get: HttpGet) -> Result<u16, String> {
        http(None, get, Vec::new(), None).await
    }

    /// Its certificate is its own word, and of another name.
    #[tokio::test]
    async fn https_is_spoken_with_whoever_answers_it() {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["web.example".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .await
                .unwrap();
            stream.shutdown().await.unwrap();
            // Who speaks plainly to it gets no answer that is HTTP.
            let (stream, _) = listener.accept().await.unwrap();
            acceptor.accept(stream).await.unwrap_err();
        };
        let ask = async {
            let safely = ask_for(get(Scheme::Https, port)).await;
            (safely, ask_for(get(Scheme::Http, port)).await)
        };
        let ((), (safely, plainly)) = tokio::join!(serve, ask);
        assert_eq!(safely, Ok(204));
        assert!(plainly.is_err());
    }

    /// Serves these answers, one a connection, and gives the requests.
    async fn serve(listener: &TcpListener, answers: &[&str]) -> Vec<String> {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            requests.push(String::from_utf8_lossy(&request[..read]).into_owned());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    }

    #[tokio::test]
    async fn a_redirection_is_followed_to_its_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = |place: &str| format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\n\r\n");
        let answers = [
            to("login"),
            to(&format!("http://localhost:{port}/ill?x")),
            "HTTP/1.1 500 Ill\r\n\r\n".to_owned(),
        ];
        let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
        let (requests, answer) =
            tokio::join!(serve(&listener, &answers), ask_for(get(Scheme::Http, port)));
        assert_eq!(answer, Ok(500));
        let asked: Vec<_> = requests.iter().filter_map(|it| it.lines().next()).collect();
        let expected = ["/health", "/login", "/ill?x"];
        assert_eq!(asked, expected.map(|path| format!("GET {path} HTTP/1.1")));
    }

    #[tokio::test]
    async fn a_redirection_out_of_the_pod_is_the_answer_and_one_without_end_is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let out = "HTTP/1.1 307 Elsewhere\r\nLocation: https://sso.example/\r\n\r\n";
        let ask = || ask_for(get(Scheme::Http, port));
        let answers = [out];
        let (_, answer) = tokio::join!(serve(&listener, &answers), ask());
        assert_eq!(answer, Ok(307));
        let round = ["HTTP/1.1 301 Again\r\nLocation: /health\r\n\r\n"; 51];
        let (_, answer) = tokio::join!(serve(&listener, &round), ask());
        assert!(answer.is_err_and(|why| why.contains("more than 50")));
        let nowhere = "HTTP/1.1 301 Again\r\nLocation: http:///\r\n\r\n";
        let answers = [nowhere];
        let (_, answer) = tokio::join!(serve(&listener, &answers), ask());
        assert!(answer.is_err_and(|why| why.contains("no place")));
    }
}
