//! What the server says it can do. Said honestly: drivers act on it (ADBC asks about transactions at every connect).
//!
//! Every number of the specification is answered, because the JDBC driver throws a null pointer for one that is not. Sets of choices are bit
//! masks, one bit for each value of the enum named; sizes are 64 bits, and 0 is no limit or none known.

use std::{collections::BTreeMap, sync::OnceLock};

use arrow_flight::sql::{
    SqlInfo as I, SqlNullOrdering, SqlSupportedCaseSensitivity, SqlSupportedGroupBy,
    SqlSupportedResultSetConcurrency, SqlSupportedResultSetType, SqlSupportedSubqueries,
    SqlSupportedTransaction, SqlSupportedUnions, SqlTransactionIsolationLevel, SupportedSqlGrammar,
    metadata::{SqlInfoData, SqlInfoDataBuilder},
};

use super::failed;
use crate::error::Result;

const TEXTS: [(I, &str); 11] = [
    (I::FlightSqlServerName, "Sluice"),
    (I::FlightSqlServerVersion, env!("CARGO_PKG_VERSION")),
    (I::FlightSqlServerArrowVersion, arrow::ARROW_VERSION),
    (I::FlightSqlServerSubstraitMinVersion, ""),
    (I::FlightSqlServerSubstraitMaxVersion, ""),
    (I::SqlIdentifierQuoteChar, "\""),
    (I::SqlSearchStringEscape, "\\"),
    (I::SqlExtraNameCharacters, ""),
    (I::SqlSchemaTerm, "schema"),
    (I::SqlProcedureTerm, "function"),
    (I::SqlCatalogTerm, "database"),
];

const YES: [I; 16] = [
    I::FlightSqlServerBulkIngestion,
    I::FlightSqlServerSql,
    I::FlightSqlServerCancel,
    I::SqlDdlSchema,
    I::SqlDdlTable,
    I::SqlAllTablesAreSelectable,
    I::SqlSupportsColumnAliasing,
    I::SqlNullPlusNullIsNull,
    I::SqlSupportsTableCorrelationNames,
    I::SqlSupportsExpressionsInOrderBy,
    I::SqlSupportsOrderByUnrelated,
    I::SqlSupportsLikeEscapeClause,
    I::SqlSupportsNonNullableColumns,
    I::SqlCatalogAtStart,
    I::SqlCorrelatedSubqueriesSupported,
    I::SqlBatchUpdatesSupported,
];

const NO: [I; 16] = [
    I::FlightSqlServerReadOnly,
    I::FlightSqlServerSubstrait,
    I::FlightSqlServerIngestTransactionsSupported,
    I::SqlDdlCatalog,
    I::SqlSupportsDifferentTableCorrelationNames,
    I::SqlSupportsIntegrityEnhancementFacility,
    I::SqlSelectForUpdateSupported,
    I::SqlStoredProceduresSupported,
    I::SqlMaxRowSizeIncludesBlobs,
    I::SqlTransactionsSupported,
    I::SqlDataDefinitionCausesTransactionCommit,
    I::SqlDataDefinitionsInTransactionsIgnored,
    I::SqlSavepointsSupported,
    I::SqlNamedParametersSupported,
    I::SqlLocatorsUpdateCopy,
    I::SqlStoredFunctionsUsingCallSyntaxSupported,
];

const CHOICES: [(I, i32); 21] = [
    (
        I::FlightSqlServerTransaction,
        SqlSupportedTransaction::None as i32,
    ),
    (I::FlightSqlServerStatementTimeout, 0),
    (I::FlightSqlServerTransactionTimeout, 0),
    (
        I::SqlIdentifierCase,
        SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32,
    ),
    (
        I::SqlQuotedIdentifierCase,
        SqlSupportedCaseSensitivity::SqlCaseSensitivityUnknown as i32,
    ),
    (
        I::SqlNullOrdering,
        SqlNullOrdering::SqlNullsSortedHigh as i32,
    ),
    (
        I::SqlSupportedGroupBy,
        bit(SqlSupportedGroupBy::SqlGroupByUnrelated as i32)
            | bit(SqlSupportedGroupBy::SqlGroupByBeyondSelect as i32),
    ),
    (
        I::SqlSupportedGrammar,
        bit(SupportedSqlGrammar::SqlMinimumGrammar as i32)
            | bit(SupportedSqlGrammar::SqlCoreGrammar as i32),
    ),
    // Entry level.
    (I::SqlAnsi92SupportedLevel, bit(0)),
    // Limited and full.
    (I::SqlOuterJoinsSupportLevel, bit(1) | bit(2)),
    // Schemas and catalogs in calls, index definitions and grants.
    (I::SqlSchemasSupportedActions, 0),
    (I::SqlCatalogsSupportedActions, 0),
    (I::SqlSupportedPositionedCommands, 0),
    (
        I::SqlSupportedSubqueries,
        bit(SqlSupportedSubqueries::SqlSubqueriesInComparisons as i32)
            | bit(SqlSupportedSubqueries::SqlSubqueriesInExists as i32)
            | bit(SqlSupportedSubqueries::SqlSubqueriesInIns as i32),
    ),
    (
        I::SqlSupportedUnions,
        bit(SqlSupportedUnions::SqlUnion as i32) | bit(SqlSupportedUnions::SqlUnionAll as i32),
    ),
    (
        I::SqlSupportedTransactionsIsolationLevels,
        bit(SqlTransactionIsolationLevel::SqlTransactionNone as i32),
    ),
    (
        I::SqlSupportedResultSetTypes,
        bit(SqlSupportedResultSetType::SqlResultSetTypeForwardOnly as i32),
    ),
    (I::SqlSupportedConcurrenciesForResultSetUnspecified, 0),
    (
        I::SqlSupportedConcurrenciesForResultSetForwardOnly,
        bit(SqlSupportedResultSetConcurrency::SqlResultSetConcurrencyReadOnly as i32),
    ),
    (I::SqlSupportedConcurrenciesForResultSetScrollSensitive, 0),
    (I::SqlSupportedConcurrenciesForResultSetScrollInsensitive, 0),
];

/// Longest name, as PostgreSQL's clients expect it.
const MAX_NAME: i64 = 63;

const SIZES: [(I, i64); 21] = [
    (I::SqlMaxColumnNameLength, MAX_NAME),
    (I::SqlDbSchemaNameLength, MAX_NAME),
    (I::SqlMaxCatalogNameLength, MAX_NAME),
    (I::SqlMaxTableNameLength, MAX_NAME),
    (I::SqlMaxUsernameLength, MAX_NAME),
    (I::SqlMaxProcedureNameLength, MAX_NAME),
    (I::SqlMaxBinaryLiteralLength, 0),
    (I::SqlMaxCharLiteralLength, 0),
    (I::SqlMaxColumnsInGroupBy, 0),
    (I::SqlMaxColumnsInIndex, 0),
    (I::SqlMaxColumnsInOrderBy, 0),
    (I::SqlMaxColumnsInSelect, 0),
    (I::SqlMaxColumnsInTable, 0),
    (I::SqlMaxConnections, 0),
    (I::SqlMaxCursorNameLength, 0),
    (I::SqlMaxIndexLength, 0),
    (I::SqlMaxRowSize, 0),
    (I::SqlMaxStatementLength, 0),
    (I::SqlMaxStatements, 0),
    (I::SqlMaxTablesInSelect, 0),
    (
        I::SqlDefaultTransactionIsolation,
        SqlTransactionIsolationLevel::SqlTransactionNone as i64,
    ),
];

const LISTS: [(I, &[&str]); 5] = [
    // Those that SQL:2003 has not.
    (
        I::SqlKeywords,
        &[
            "EMIT",
            "HOP",
            "PAUSE",
            "REBUILD",
            "RESUME",
            "STREAM",
            "TUMBLE",
            "WATERMARK",
        ],
    ),
    (
        I::SqlNumericFunctions,
        &[
            "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cot", "degrees", "exp",
            "floor", "ln", "log", "log10", "log2", "pi", "power", "radians", "random", "round",
            "sin", "sqrt", "tan", "trunc",
        ],
    ),
    (
        I::SqlStringFunctions,
        &[
            "ascii",
            "btrim",
            "char_length",
            "chr",
            "concat",
            "initcap",
            "left",
            "length",
            "lower",
            "lpad",
            "ltrim",
            "octet_length",
            "repeat",
            "replace",
            "reverse",
            "right",
            "rpad",
            "rtrim",
            "split_part",
            "strpos",
            "substr",
            "translate",
            "upper",
        ],
    ),
    (I::SqlSystemFunctions, &["coalesce", "nullif"]),
    (
        I::SqlDatetimeFunctions,
        &[
            "current_date",
            "current_time",
            "date_bin",
            "date_part",
            "date_trunc",
            "extract",
            "now",
            "to_timestamp",
        ],
    ),
];

const fn bit(value: i32) -> i32 {
    1 << value
}

/// Every answer; made once.
pub(super) fn data() -> Result<&'static SqlInfoData> {
    static DATA: OnceLock<SqlInfoData> = OnceLock::new();
    if let Some(data) = DATA.get() {
        return Ok(data);
    }
    let data = build()?;
    Ok(DATA.get_or_init(|| data))
}

fn build() -> Result<SqlInfoData> {
    let mut builder = SqlInfoDataBuilder::new();
    for (name, text) in TEXTS {
        builder.append(name, text);
    }
    for (names, answer) in [(&YES[..], true), (&NO[..], false)] {
        for name in names {
            builder.append(*name, answer);
        }
    }
    for (name, choice) in CHOICES {
        builder.append(name, choice);
    }
    for (name, size) in SIZES {
        builder.append(name, size);
    }
    for (name, list) in LISTS {
        builder.append(name, list);
    }
    // No CONVERT between types; casts are another thing.
    builder.append(I::SqlSupportsConvert, BTreeMap::<i32, Vec<i32>>::new());
    builder.build().map_err(failed)
}

#[cfg(test)]
mod tests {
    //! Completeness.
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_number_is_answered_once() {
        let known: Vec<u32> = (0..1000)
            .filter(|n| I::try_from(*n).is_ok())
            .map(|n| u32::try_from(n).unwrap())
            .collect();
        let all = data().unwrap().record_batch([]).unwrap();
        assert_eq!(all.num_rows(), known.len());
        let asked = data().unwrap().record_batch(known.clone()).unwrap();
        assert_eq!(asked.num_rows(), known.len());
    }
}
