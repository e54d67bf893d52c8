use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId as _;

use crate::{Error, ErrorKind};

type Response = aws_sdk_s3::config::http::HttpResponse;

/// The status of an answer, if there was one.
pub(super) fn status<E>(error: &SdkError<E, Response>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Whether what was asked for is not there.
pub(super) fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E, Response>) -> bool {
    match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some("NoSuchBucket") => false,
        Some("NoSuchKey" | "NoSuchUpload" | "NotFound") => true,
        _ => status(error) == Some(404),
    }
}

/// Whether a condition of the request did not hold.
pub(super) fn is_taken<E: ProvideErrorMetadata>(error: &SdkError<E, Response>) -> bool {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    matches!(code, Some("PreconditionFailed" | "ConditionalRequestConflict")) || status(error) == Some(412)
}

/// Whether the store does not know a part of the request.
pub(super) fn is_unknown<E: ProvideErrorMetadata>(error: &SdkError<E, Response>) -> bool {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    matches!(code, Some("NotImplemented")) || status(error) == Some(501)
}

/// Whether the account may not do it.
pub(super) fn is_denied<E: ProvideErrorMetadata>(error: &SdkError<E, Response>) -> bool {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    matches!(code, Some("AccessDenied")) || (code.is_none() && status(error) == Some(403))
}

/// A failed request as an error: `what` says what could not be done, on what.
pub(super) fn failure<E>(what: impl Into<String>, error: SdkError<E, Response>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let what = what.into();
    let status = status(&error);
    let header = |name: &str| error.raw_response().and_then(|response| response.headers().get(name));
    let region = header("x-amz-bucket-region").map(str::to_owned);
    let (code, text, request) = match error.as_service_error() {
        Some(service) => {
            let request = error.request_id().map(str::to_owned);
            (service.code().map(str::to_owned), service.message().map(str::to_owned), request)
        }
        None => (None, None, None),
    };
    let answer = match (&code, status) {
        (Some(code), _) => match text.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => format!("{code}, {}", text.trim_end_matches('.')),
            None => code.clone(),
        },
        (None, Some(403)) => "the store forbids it (403)".to_owned(),
        (None, Some(status)) => format!("the store answered with status {status}"),
        (None, None) => match &error {
            SdkError::TimeoutError(_) => "the store did not answer in time".to_owned(),
            SdkError::ConstructionFailure(_) => "the request could not be made".to_owned(),
            SdkError::ResponseError(_) => "the store's answer broke off or is not one of S3's".to_owned(),
            _ => "the store cannot be reached".to_owned(),
        },
    };
    let (kind, hint) = meaning(code.as_deref(), status, region.as_deref());
    let request = request.map_or(String::new(), |request| format!(" (request {request})"));
    let failure = Error::new(kind, format!("{what}: {answer}{request}"));
    let failure = match (hint, status) {
        (Some(hint), _) => failure.with_hint(hint),
        (None, Some(_)) => failure,
        (None, None) if is_without_keys(&error) => failure.with_hint(
            "no keys were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role",
        ),
        (None, None) => failure.with_hint("check the endpoint and the network; `dbm doctor` tries them"),
    };
    // What S3 said is in the message; the SDK's own words for it are no help.
    match code {
        Some(_) => failure,
        None => match error.into_source() {
            Ok(source) => failure.with_source(source),
            Err(_) => failure,
        },
    }
}

fn is_without_keys<E: std::error::Error + 'static>(error: &SdkError<E, Response>) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if text.contains("credential") || text.contains("identity") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What a code of S3 means to us, and what to do about it.
/// The codes: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
fn meaning(code: Option<&str>, status: Option<u16>, region: Option<&str>) -> (ErrorKind, Option<String>) {
    let (kind, hint) = match (code, status) {
        (Some("NoSuchBucket"), _) => {
            (ErrorKind::Store, "make the bucket, or check its name, region and endpoint")
        }
        (Some("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken"), _) => {
            (ErrorKind::Store, "check the keys: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN")
        }
        (Some("ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired"), _) => {
            (ErrorKind::Store, "the session's keys have expired: get new ones and try again")
        }
        (Some("RequestTimeTooSkewed"), _) => {
            (ErrorKind::Store, "this machine's clock is wrong: set it (timedatectl set-ntp true)")
        }
        (
            Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"),
            _,
        )
        | (None, Some(301)) => {
            let hint = match region {
                Some(region) => {
                    format!("the bucket is in region {region}: add ?region={region} to the store")
                }
                None => "the bucket is in another region: add ?region=REGION to the store".to_owned(),
            };
            return (ErrorKind::Store, Some(hint));
        }
        (Some("QuotaExceeded" | "InsufficientStorage" | "EntityTooLarge"), _) | (_, Some(507)) => {
            (ErrorKind::NoSpace, "make room in the bucket: `dbm prune`, or a larger quota")
        }
        (Some("AccessDenied" | "AllAccessDisabled"), _) | (None, Some(403)) => (
            ErrorKind::Permission,
            "the keys need s3:ListBucket, GetObject, PutObject, DeleteObject, AbortMultipartUpload, \
             ListBucketMultipartUploads and ListMultipartUploadParts on it",
        ),
        (Some("BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch"), _) => {
            (ErrorKind::Store, "bytes changed on the way: try again, and check what lies between")
        }
        (Some("SlowDown" | "ServiceUnavailable" | "InternalError" | "RequestTimeout"), _) => {
            (ErrorKind::Store, "the store is overloaded or ill: try again later")
        }
        _ => return (ErrorKind::Store, None),
    };
    (kind, Some(hint.to_owned()))
}
