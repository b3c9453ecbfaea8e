//! Everything that can go wrong, and the only place where it becomes an HTTP status.

use std::time::Duration;

use http::StatusCode;

use freehold_wire::requests::{self, Missing};
use freehold_wire::{Api, ErrorKind, Failure, translate};

use crate::listener::Listen;
use crate::{budget, config, keys, route, tls};

/// The gateway could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error("the gateway's configuration cannot be used")]
    Config(#[from] config::Error),
    /// The place could not be listened on.
    #[error("could not listen on {place}")]
    Bind {
        /// The place.
        place: Listen,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The certificate could not be used.
    #[error("could not take up the certificate")]
    Tls(#[from] tls::Error),
    /// The address of the collector of traces cannot be used.
    #[error(
        "the collector of traces cannot be reached at {url:?}: the address must begin with http:// or https://, without credentials"
    )]
    Collector {
        /// The address.
        url: String,
    },
    /// The system's root certificates could not be read, and an upstream needs them.
    #[error("could not read the system's root certificates, needed by upstream {upstream:?}")]
    Roots {
        /// The first upstream that is reached by https.
        upstream: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Why one call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the gateway already serves its limit of {limit} calls at once")]
    TooManyCalls { limit: usize },
    #[error("pages of {origin:?} may not call this gateway: only pages of this machine may")]
    ForeignOrigin { origin: String },
    #[error("{0}")]
    Key(#[from] keys::Error),
    #[error("{0}")]
    Budget(budget::Refusal),
    #[error("the request body is larger than the limit of {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("the request body did not arrive within {} ms", after.as_millis())]
    BodyTimeout { after: Duration },
    #[error("the request body broke off")]
    BodyBroken,
    #[error("{0}{place}", place = place(.0))]
    Request(requests::Error),
    #[error("the request body is compressed in a way that cannot be read here ({coding})")]
    Coding { coding: String },
    #[error("{0}")]
    Route(#[from] route::Error),
    #[error("could not connect to upstream {upstream:?}: {found}")]
    Connect { upstream: String, found: String },
    #[error("could not connect to upstream {upstream:?} within {} ms", after.as_millis())]
    ConnectTimeout { upstream: String, after: Duration },
    #[error("upstream {upstream:?} did not begin to answer within {} ms", after.as_millis())]
    FirstByte { upstream: String, after: Duration },
    #[error("upstream {upstream:?} failed several times in a row and is not asked for another {} ms", after.as_millis())]
    Resting { upstream: String, after: Duration },
    #[error("upstream {upstream:?} answered {}", status.as_u16())]
    Status { upstream: String, status: StatusCode },
    #[error("the answer of upstream {upstream:?} cannot be translated: {found}")]
    Unreadable { upstream: String, found: String },
    #[error("the answer of upstream {upstream:?} is larger than the {limit} bytes that can be translated")]
    AnswerTooLarge { upstream: String, limit: usize },
    #[error("{0}{place}", place = translation_place(.0))]
    Translation(#[from] translate::Error),
    #[error("field {field} refers to what only its vendor keeps, and {by} is to answer: send the whole input instead")]
    NotKept { field: &'static str, by: String },
    #[error("{0}")]
    Missing(#[from] Missing),
    #[error("{0}")]
    Unread(String),
    #[error("upstream {upstream:?} stood still for {} ms in the middle of its answer", after.as_millis())]
    Idle { upstream: String, after: Duration },
    #[error("the call was not over within its limit of {} ms", after.as_millis())]
    CallTimeout { after: Duration },
    #[error("upstream {upstream:?} broke off its answer: {found}")]
    Cut { upstream: String, found: String },
    #[error("{source}")]
    Engine {
        model: String,
        #[source]
        source: freehold_engine::Error,
    },
    #[error(
        "model {model:?} gives vectors of {has} numbers, not of {dimensions}: what is cut off would be missing in every comparison"
    )]
    Dimensions { model: String, has: u64, dimensions: u64 },
    #[error("model {model:?} of the engine ended its answer without saying so")]
    Silent { model: String },
    #[error("the call could not be recorded within {} ms, and the gateway is set to refuse such calls", after.as_millis())]
    NotRecorded { after: Duration },
    #[error("{0}")]
    Internal(&'static str),
}

impl CallError {
    /// Returns the status that tells a caller of this error.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            CallError::TooManyCalls { .. } => StatusCode::TOO_MANY_REQUESTS,
            CallError::ForeignOrigin { .. } => StatusCode::FORBIDDEN,
            CallError::Key(error) => key_status(error),
            CallError::Budget(budget::Refusal::Exhausted(_)) => StatusCode::TOO_MANY_REQUESTS,
            CallError::Budget(budget::Refusal::UnknownPrice { .. }) => StatusCode::FORBIDDEN,
            CallError::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            CallError::BodyTimeout { .. } => StatusCode::REQUEST_TIMEOUT,
            CallError::Missing(Missing::Item { .. }) => StatusCode::NOT_FOUND,
            CallError::BodyBroken
            | CallError::Request(_)
            | CallError::Unread(_)
            | CallError::NotKept { .. }
            | CallError::Dimensions { .. }
            | CallError::Missing(_)
            | CallError::Translation(translate::Error::Request(_)) => StatusCode::BAD_REQUEST,
            CallError::Translation(translate::Error::Unfaithful { .. }) => StatusCode::UNPROCESSABLE_ENTITY,
            CallError::Status { status, .. } => *status,
            CallError::Resting { .. } => StatusCode::SERVICE_UNAVAILABLE,
            CallError::Coding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            CallError::Route(route::Error::NoUpstream { .. } | route::Error::NoPassage { .. }) => StatusCode::NOT_FOUND,
            CallError::Route(route::Error::ApiNotSpoken { .. }) => StatusCode::NOT_IMPLEMENTED,
            CallError::Route(route::Error::Vectors { .. }) => StatusCode::CONFLICT,
            CallError::Route(route::Error::UnknownUpstream { .. }) | CallError::Internal(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            CallError::Connect { .. }
            | CallError::Cut { .. }
            | CallError::Silent { .. }
            | CallError::Unreadable { .. }
            | CallError::AnswerTooLarge { .. } => StatusCode::BAD_GATEWAY,
            CallError::ConnectTimeout { .. }
            | CallError::FirstByte { .. }
            | CallError::Idle { .. }
            | CallError::CallTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            CallError::Engine { source, .. } => engine_status(source),
            CallError::NotRecorded { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns the kind that the caller's dialect has a word for.
    pub(crate) fn kind(&self) -> ErrorKind {
        if let CallError::Budget(budget::Refusal::Exhausted(_)) = self {
            return ErrorKind::Quota;
        }
        match self.status() {
            StatusCode::UNAUTHORIZED => ErrorKind::Authentication,
            StatusCode::FORBIDDEN => ErrorKind::Permission,
            StatusCode::TOO_MANY_REQUESTS => ErrorKind::Busy,
            StatusCode::NOT_FOUND => ErrorKind::NotFound,
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => ErrorKind::Upstream,
            StatusCode::INTERNAL_SERVER_ERROR | StatusCode::SERVICE_UNAVAILABLE => ErrorKind::Internal,
            _ => ErrorKind::InvalidRequest,
        }
    }

    /// Returns after how many seconds the caller may try again, where that helps.
    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        match self {
            CallError::Budget(budget::Refusal::Exhausted(exhausted)) => Some(exhausted.resets_in_s.max(1)),
            CallError::Key(keys::Error::Rate { after, .. }) => Some(after.as_secs().saturating_add(1)),
            CallError::Resting { after, .. } => Some(after.as_secs().saturating_add(1)),
            _ => (self.kind() == ErrorKind::Busy).then_some(1),
        }
    }

    /// Returns the field at fault and OpenAI's code for the case, where its clients look for them.
    pub(crate) fn blames(&self) -> Option<(&'static str, Option<&'static str>)> {
        match self {
            CallError::Missing(Missing::Response { .. }) => {
                Some(("previous_response_id", Some("previous_response_not_found")))
            }
            CallError::Missing(Missing::TooLong { .. }) => Some(("previous_response_id", None)),
            CallError::Missing(Missing::Item { .. }) => Some(("input", None)),
            CallError::NotKept { field, .. } => Some((field, None)),
            CallError::Dimensions { .. } => Some(("dimensions", None)),
            _ => None,
        }
    }

    /// Returns whether trying again by itself cannot help a client: the budget stays used up.
    pub(crate) fn is_lasting(&self) -> bool {
        matches!(self, CallError::Budget(_))
    }

    /// Returns whether a limit of the gateway's own ended an answer in the middle, and not whoever gave it.
    pub(crate) fn is_own_limit(&self) -> bool {
        matches!(self, CallError::Idle { .. } | CallError::CallTimeout { .. })
    }

    /// Returns what the record says of it.
    pub(crate) fn failure(&self) -> Failure {
        let kind = match self {
            CallError::Connect { .. } | CallError::Resting { .. } => "connect",
            CallError::Status { .. } => "upstream_status",
            CallError::Unreadable { .. } => "unreadable",
            CallError::AnswerTooLarge { .. } => "over_limit",
            CallError::ConnectTimeout { .. }
            | CallError::FirstByte { .. }
            | CallError::Idle { .. }
            | CallError::CallTimeout { .. }
            | CallError::BodyTimeout { .. } => "timeout",
            CallError::Cut { .. } => "cut",
            CallError::BodyBroken => "client_left",
            CallError::Engine { source, .. } if engine_status(source).is_server_error() => "engine",
            CallError::Silent { .. } => "engine",
            _ => "refused",
        };
        failure(kind, &self.to_string())
    }
}

/// Returns what the record says of an upstream's status that is not a success.
pub(crate) fn upstream_status(upstream: &str, status: StatusCode) -> Failure {
    failure("upstream_status", &format!("upstream {upstream:?} answered {}", status.as_u16()))
}

/// Returns what the record says of a caller that went away.
pub(crate) fn client_left() -> Failure {
    failure("client_left", "the caller closed the connection before the answer ended")
}

/// Returns what the record says of a call that the gateway's own stop cut off.
pub(crate) fn stopped() -> Failure {
    failure("cut", "the gateway was stopped before the answer ended")
}

/// Returns what the record says of a stream that ended properly for HTTP, but not for its API.
pub(crate) fn ended_early() -> Failure {
    failure("cut", "the stream lacks its closing event")
}

/// Returns what the record says of a stream in which the upstream itself told of an error.
pub(crate) fn error_event() -> Failure {
    failure("cut", "the stream ended with an error event")
}

/// Returns what the record says of an answer that passed through, but that nobody here can read.
pub(crate) fn unreadable(api: Api) -> Failure {
    failure("unreadable", &format!("the answer has not the form of {api}"))
}

/// Returns what the record says of an answer that it could not keep whole.
pub(crate) fn over_limit(total: u64, kept: usize) -> Failure {
    failure("over_limit", &format!("the record keeps the first {kept} of {total} bytes of the answer"))
}

fn key_status(error: &keys::Error) -> StatusCode {
    use keys::Error;
    match error {
        Error::Missing | Error::Unknown | Error::Revoked { .. } | Error::Expired { .. } => StatusCode::UNAUTHORIZED,
        Error::Step { .. } | Error::Model { .. } => StatusCode::FORBIDDEN,
        Error::Rate { .. } | Error::Concurrent { .. } => StatusCode::TOO_MANY_REQUESTS,
        // The gateway's own configuration is at fault, not the caller.
        Error::Upstream { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn engine_status(error: &freehold_engine::Error) -> StatusCode {
    use freehold_engine::{Error, ErrorKind};
    match (error, error.kind()) {
        (Error::UnknownModel { .. }, _) => StatusCode::NOT_FOUND,
        (_, ErrorKind::User) => StatusCode::BAD_REQUEST,
        (_, ErrorKind::Busy) => StatusCode::TOO_MANY_REQUESTS,
        (_, ErrorKind::Engine) => StatusCode::BAD_GATEWAY,
        (_, ErrorKind::Internal) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Returns the same for a body that was to be translated.
fn translation_place(error: &translate::Error) -> String {
    match error {
        translate::Error::Request(error) => place(error),
        translate::Error::Unfaithful { .. } => String::new(),
    }
}

/// Returns where a body stops being JSON; what stands there is the caller's business.
fn place(error: &requests::Error) -> String {
    match error {
        requests::Error::Json(source) => format!(" (line {}, column {})", source.line(), source.column()),
        _ => String::new(),
    }
}

fn failure(kind: &str, message: &str) -> Failure {
    Failure { kind: kind.to_owned(), message: message.to_owned() }
}
