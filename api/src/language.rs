//! The language of an answer's texts, from `Accept-Language`.

use poem::{
    FromRequest, Request, RequestBody, Result,
    http::{HeaderMap, header},
};

/// A language Peyk speaks. The number is its column in the tables of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Language {
    /// English, for whoever asks for nothing or for anything else.
    #[default]
    English = 0,
    /// Persian.
    Persian = 1,
}

impl Language {
    /// The BCP 47 tag.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Persian => "fa",
        }
    }

    /// The language this client wants most of those there are (RFC 9110, 12.5.4).
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let header = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let mut best = (0, Self::English);
        for range in header.unwrap_or_default().split(',') {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let primary = tag.split('-').next().unwrap_or_default().trim();
            let language = match primary.to_ascii_lowercase().as_str() {
                "fa" | "per" | "fas" => Self::Persian,
                "en" | "*" => Self::English,
                _ => continue,
            };
            let weight = weight(parameters);
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }
}

/// The weight of a language range in thousandths; 1000 when it has none, 0 when it is unreadable.
fn weight(parameters: &str) -> u16 {
    let Some(value) = parameters.trim().strip_prefix("q=") else {
        return 1000;
    };
    let (whole, fraction) = value.trim().split_once('.').unwrap_or((value, "0"));
    match (whole.trim(), format!("{fraction:0<3}").get(..3).map(str::parse)) {
        ("1", _) => 1000,
        ("0", Some(Ok(thousandths))) => thousandths,
        _ => 0,
    }
}

impl<'a> FromRequest<'a> for Language {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(Self::of(request.headers()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_known_language_wins_and_english_is_the_default() {
        for (header, language) in [
            ("", Language::English),
            ("fa", Language::Persian),
            ("FA-IR", Language::Persian),
            ("fa-IR,fa;q=0.9,en-US;q=0.8,en;q=0.7", Language::Persian),
            ("en-US,en;q=0.9,fa;q=0.8", Language::English),
            ("de, fa;q=0.5, *;q=0.1", Language::Persian),
            ("en;q=0.2, fa;q=0.35", Language::Persian),
            ("fa;q=0", Language::English),
            ("fa;q=x, en;q=0.1", Language::English),
            ("de", Language::English),
            (";;,,q=;-", Language::English),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, header.parse().unwrap());
            assert_eq!(Language::of(&headers), language, "{header}");
        }
    }
}
