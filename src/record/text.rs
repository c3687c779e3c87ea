//! Owns how values of the model stand in an event's text: as the words that they print and parse themselves.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{Backup, BackupBy, Definition};

/// A value as its text.
pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// A value from its text.
pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}

/// A value as its text, within other types.
struct Text<T>(T);

impl<T: Display> Serialize for Text<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self.0, serializer)
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}

/// A value that may be missing.
pub(super) mod optional {
    use super::*;

    pub(in super::super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(Text).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        Ok(Option::<Text<T>>::deserialize(deserializer)?.map(|text| text.0))
    }
}

/// Several values.
pub(super) mod list {
    use super::*;

    pub(in super::super) fn serialize<T: Display, S: Serializer>(
        values: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(Text))
    }

    pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let texts = Vec::<Text<T>>::deserialize(deserializer)?;
        Ok(texts.into_iter().map(|text| text.0).collect())
    }
}

/// Several values that may be missing altogether.
pub(super) mod optional_list {
    use super::*;

    pub(in super::super) fn serialize<T: Display, S: Serializer>(
        values: &Option<Vec<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let texts = values
            .as_ref()
            .map(|values| values.iter().map(Text).collect::<Vec<_>>());
        texts.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let texts = Option::<Vec<Text<T>>>::deserialize(deserializer)?;
        Ok(texts.map(|texts| texts.into_iter().map(|text| text.0).collect()))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Definition", deny_unknown_fields)]
struct DefinitionText {
    unit: String,
    text: String,
    generation: String,
}

/// A definition within other types.
#[derive(Serialize, Deserialize)]
struct OwnDefinition(#[serde(with = "DefinitionText")] Definition);

/// A lent definition within other types.
#[derive(Serialize)]
struct LentDefinition<'a>(#[serde(with = "DefinitionText")] &'a Definition);

/// A definition.
pub(super) mod definition {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        value: &Definition,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        DefinitionText::serialize(value, serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Definition, D::Error> {
        DefinitionText::deserialize(deserializer)
    }
}

/// Several definitions.
pub(super) mod definitions {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        values: &[Definition],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(LentDefinition))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Definition>, D::Error> {
        let values = Vec::<OwnDefinition>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|value| value.0).collect())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "BackupBy", rename_all = "kebab-case")]
enum BackupByText {
    Script,
    Nixmig,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Backup", deny_unknown_fields)]
struct BackupText {
    directory: String,
    #[serde(with = "BackupByText")]
    by: BackupBy,
}

#[derive(Deserialize)]
struct OwnBackup(#[serde(with = "BackupText")] Backup);

#[derive(Serialize)]
struct LentBackup<'a>(#[serde(with = "BackupText")] &'a Backup);

/// A backup that may be missing.
pub(super) mod backup {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        value: &Option<Backup>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(LentBackup).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Backup>, D::Error> {
        Ok(Option::<OwnBackup>::deserialize(deserializer)?.map(|backup| backup.0))
    }
}
