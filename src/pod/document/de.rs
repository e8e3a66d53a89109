//! A document's values as what they stand for: a node is a format that any type reads itself from.

use std::any::TypeId;

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Unexpected, Visitor};
use serde::{de, forward_to_deserialize_any};
use serde_json::{Error, Number};

use super::{Id, Kind, Node};

impl Node<'_> {
    /// Checks that a type reads itself from the value. Where that is a whole document, which may have been added to
    /// another, all copies of it remember that it does.
    ///
    /// # Errors
    /// When it does not.
    pub fn decodes_as<T: DeserializeOwned + 'static>(self) -> Result<(), Error> {
        let value = self.resolved();
        let known = (value.id() == Id::FIRST).then_some(&value.store().decoded_as);
        if known.and_then(|known| known.get()) == Some(&TypeId::of::<T>()) {
            return Ok(());
        }
        T::deserialize(value)?;
        known.map(|known| known.set(TypeId::of::<T>()));
        Ok(())
    }
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.kind() {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(is) => visitor.visit_bool(is),
            Kind::Text(_) => visitor.visit_borrowed_str(self.as_str().unwrap_or_default()),
            Kind::Number(_) => {
                let written = self.written().unwrap_or_default();
                match written.parse() {
                    Ok(amount) => visitor.visit_u64(amount),
                    Err(_) => serde_json::from_str::<Number>(written)?.deserialize_any(visitor),
                }
            }
            Kind::List(_) => {
                let mut items = SeqDeserializer::new(self.as_array().into_iter().flatten());
                let value = visitor.visit_seq(&mut items)?;
                items.end().map(|()| value)
            }
            Kind::Object(_) => {
                let mut fields = MapDeserializer::new(self.as_object().into_iter().flatten());
                let value = visitor.visit_map(&mut fields)?;
                fields.end().map(|()| value)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match (self.as_str(), self.as_object()) {
            (Some(variant), _) => visitor.visit_enum(variant.into_deserializer()),
            (_, Some(fields)) => visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(fields))),
            _ => {
                let found = Unexpected::Other("neither a text nor an object");
                Err(de::Error::invalid_type(found, &"the name of a variant"))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier
    }
}

impl<'de> IntoDeserializer<'de, Error> for Node<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
