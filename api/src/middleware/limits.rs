//! Tells every caller the limits its request was measured by, whatever the answer is.

use poem::{Endpoint, Middleware, Request, Response, Result};

use crate::limits::Measured;

/// Gives handlers a [`Measured`] and adds its headers to the answer.
pub(crate) struct TellLimits;

impl<E: Endpoint<Output = Response>> Middleware<E> for TellLimits {
    type Output = TellLimitsEndpoint<E>;

    fn transform(&self, app: E) -> Self::Output {
        TellLimitsEndpoint { app }
    }
}

/// The endpoint of [`TellLimits`].
pub(crate) struct TellLimitsEndpoint<E> {
    app: E,
}

impl<E: Endpoint<Output = Response>> Endpoint for TellLimitsEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let measured = Measured::default();
        request.set_data(measured.clone());
        let mut response = self.app.call(request).await?;
        measured.tell(response.headers_mut());
        Ok(response)
    }
}
