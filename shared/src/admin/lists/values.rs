//! Values of rows that name somebody, and how they are shown to those who may not see that.

use std::net::IpAddr;

use sqlx::{
    Decode, Postgres, Type,
    error::BoxDynError,
    postgres::{PgTypeInfo, PgValueRef},
    types::ipnetwork::IpNetwork,
};

use crate::{admin::mask, phone::PhoneNumber};

/// A number as people write it, in the national form for Iran. Has no `Debug`: it names somebody.
#[derive(Clone, PartialEq, Eq)]
pub struct Mobile(pub String);

impl Mobile {
    /// See [`mask::number`].
    #[must_use]
    pub fn masked(self) -> Self {
        Self(mask::number(&self.0))
    }
}

impl Type<Postgres> for Mobile {
    fn type_info() -> PgTypeInfo {
        <String as Type<Postgres>>::type_info()
    }

    fn compatible(info: &PgTypeInfo) -> bool {
        <String as Type<Postgres>>::compatible(info)
    }
}

impl<'r> Decode<'r, Postgres> for Mobile {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let text = <&str as Decode<Postgres>>::decode(value)?;
        Ok(Self(PhoneNumber::from_e164(text)?.to_national()))
    }
}

/// The address of a machine somebody used. Has no `Debug`: it may name somebody.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(pub String);

impl Address {
    /// See [`mask::ip`].
    #[must_use]
    pub fn masked(self) -> Self {
        Self(self.0.parse().map_or_else(|_| self.0.clone(), |ip: IpAddr| mask::ip(ip)))
    }
}

impl Type<Postgres> for Address {
    fn type_info() -> PgTypeInfo {
        <IpNetwork as Type<Postgres>>::type_info()
    }

    fn compatible(info: &PgTypeInfo) -> bool {
        <IpNetwork as Type<Postgres>>::compatible(info)
    }
}

impl<'r> Decode<'r, Postgres> for Address {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let network = <IpNetwork as Decode<Postgres>>::decode(value)?;
        Ok(Self(network.ip().to_canonical().to_string()))
    }
}
