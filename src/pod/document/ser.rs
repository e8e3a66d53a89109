//! Any serializable value into a document, and a document's values out again.

use std::fmt::Display;

use serde::ser::{self, Error as _, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Error, Number};

use super::{Children, Document, Entry, Id, Kind, Node, Span, Store};

impl Document {
    /// A value as a document; null where it is one that JSON cannot hold.
    #[must_use]
    pub fn of(value: &(impl Serialize + ?Sized)) -> Self {
        let mut store = Store::with_room();
        match value.serialize(Place { store: &mut store, name: Span::EMPTY }) {
            Ok(()) => Self::new(store),
            Err(_) => Self::default(),
        }
    }
}

/// Where the next value goes: behind all entries, by this name.
struct Place<'d> {
    store: &'d mut Store,
    name: Span,
}

/// A list or an object that is being filled.
struct Holder<'d> {
    store: &'d mut Store,
    id: Id,
    children: Children,
    /// The name of the next field.
    name: Span,
}

impl<'d> Place<'d> {
    #[inline]
    fn put(self, kind: Kind) -> Result<(), Error> {
        self.store.push(self.name, kind);
        Ok(())
    }

    fn put_number(self, number: impl Display) -> Result<(), Error> {
        let written = self.store.keep(&number.to_string());
        self.put(Kind::Number(written))
    }

    #[inline]
    fn open(self, kind: Kind) -> Holder<'d> {
        let id = self.store.push(self.name, kind);
        Holder { store: self.store, id, children: Children::NONE, name: Span::EMPTY }
    }

    /// The place of the only field of an object.
    fn only_field(self, name: &str) -> Self {
        let child = Id::at(self.store.entries.len() + 1);
        self.store.push(self.name, Kind::Object(Children { first: child, last: child }));
        let name = self.store.keep(name);
        Place { store: self.store, name }
    }
}

impl Holder<'_> {
    #[inline]
    fn take(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        let id = Id::at(self.store.entries.len());
        value.serialize(Place { store: self.store, name: self.name })?;
        self.store.link(&mut self.children, id);
        Ok(())
    }

    fn take_field(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        self.name = self.store.keep(name);
        self.take(value)
    }

    #[inline]
    fn close(self) -> Result<(), Error> {
        if let Some(entry) = self.store.entries.get_mut(self.id.index()) {
            entry.kind = match entry.kind {
                Kind::List(_) => Kind::List(self.children),
                _ => Kind::Object(self.children),
            };
        }
        Ok(())
    }
}

/// The methods for numbers, which all do the same.
macro_rules! numbers {
    ($($method:ident: $number:ty),*) => {
        $(fn $method(self, number: $number) -> Result<(), Error> {
            self.put_number(number)
        })*
    };
}

impl<'d> Serializer for Place<'d> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Holder<'d>;
    type SerializeTuple = Holder<'d>;
    type SerializeTupleStruct = Holder<'d>;
    type SerializeTupleVariant = Holder<'d>;
    type SerializeMap = Holder<'d>;
    type SerializeStruct = Holder<'d>;
    type SerializeStructVariant = Holder<'d>;

    numbers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    );

    fn serialize_bool(self, is: bool) -> Result<(), Error> {
        self.put(Kind::Bool(is))
    }

    fn serialize_f32(self, number: f32) -> Result<(), Error> {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result<(), Error> {
        match Number::from_f64(number) {
            Some(number) => self.put_number(number),
            None => self.put(Kind::Null),
        }
    }

    fn serialize_char(self, letter: char) -> Result<(), Error> {
        self.serialize_str(letter.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), Error> {
        let text = self.store.keep(text);
        self.put(Kind::Text(text))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        bytes.serialize(self)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.put(Kind::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.put(Kind::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.put(Kind::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self.only_field(variant))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Holder<'d>, Error> {
        Ok(self.open(Kind::List(Children::NONE)))
    }

    fn serialize_tuple(self, _: usize) -> Result<Holder<'d>, Error> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Holder<'d>, Error> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Holder<'d>, Error> {
        self.only_field(variant).serialize_seq(None)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Holder<'d>, Error> {
        Ok(self.open(Kind::Object(Children::NONE)))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Holder<'d>, Error> {
        self.serialize_map(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Holder<'d>, Error> {
        self.only_field(variant).serialize_map(None)
    }
}

/// The traits of what holds entries without names, which all do the same.
macro_rules! lists {
    ($($holder:ident: $method:ident),*) => {
        $(impl ser::$holder for Holder<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.take(value)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        })*
    };
}

/// The traits of what holds fields of known names.
macro_rules! structs {
    ($($holder:ident),*) => {
        $(impl ser::$holder for Holder<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.take_field(name, value)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        })*
    };
}

lists!(
    SerializeSeq: serialize_element, SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field
);
structs!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Holder<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let before = self.store.entries.len();
        key.serialize(Place { store: self.store, name: Span::EMPTY })?;
        // A key is no entry of its own.
        self.name = match (self.store.entries.pop(), self.store.entries.len() == before) {
            (Some(Entry { kind: Kind::Text(name) | Kind::Number(name), .. }), true) => name,
            _ => return Err(Error::custom("a key of an object has to be a text")),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.take(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.root().serialize(serializer)
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.kind() {
            Kind::Null => serializer.serialize_unit(),
            Kind::Bool(is) => serializer.serialize_bool(is),
            Kind::Text(_) => serializer.serialize_str(self.as_str().unwrap_or_default()),
            Kind::Number(_) => number(self.written().unwrap_or_default(), serializer),
            Kind::List(_) => serializer.collect_seq(self.as_array().into_iter().flatten()),
            Kind::Object(_) => serializer.collect_map(self.as_object().into_iter().flatten()),
        }
    }
}

/// A number; one of many digits goes as it is written.
fn number<S: Serializer>(written: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if let Ok(amount) = written.parse::<u64>() {
        return serializer.serialize_u64(amount);
    }
    let number: Number = serde_json::from_str(written).map_err(S::Error::custom)?;
    if number.to_string() == written {
        return number.serialize(serializer);
    }
    serde_json::from_str::<&RawValue>(written).map_err(S::Error::custom)?.serialize(serializer)
}
