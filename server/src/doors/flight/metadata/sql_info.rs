//! What the server says it can do. Said honestly: drivers act on it (ADBC asks about transactions at every connect).

use std::sync::OnceLock;

use arrow_flight::sql::{
    SqlInfo, SqlNullOrdering, SqlSupportedCaseSensitivity, SqlSupportedTransaction,
    SqlTransactionIsolationLevel,
    metadata::{SqlInfoData, SqlInfoDataBuilder},
};

use super::failed;
use crate::error::Result;

/// Longest name, as PostgreSQL's clients expect it.
const MAX_NAME: i64 = 63;

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
    use SqlInfo as I;
    let mut b = SqlInfoDataBuilder::new();
    b.append(I::FlightSqlServerName, "Sluice");
    b.append(I::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    b.append(I::FlightSqlServerArrowVersion, arrow::ARROW_VERSION);
    b.append(I::FlightSqlServerReadOnly, false);
    b.append(I::FlightSqlServerSql, true);
    b.append(I::FlightSqlServerSubstrait, false);
    b.append(
        I::FlightSqlServerTransaction,
        SqlSupportedTransaction::None as i32,
    );
    b.append(I::FlightSqlServerCancel, true);
    b.append(I::FlightSqlServerBulkIngestion, false);
    b.append(I::FlightSqlServerIngestTransactionsSupported, false);
    // Milliseconds; 0 is no limit.
    b.append(I::FlightSqlServerStatementTimeout, 0_i32);
    b.append(I::FlightSqlServerTransactionTimeout, 0_i32);

    b.append(I::SqlDdlCatalog, false);
    b.append(I::SqlDdlSchema, true);
    b.append(I::SqlDdlTable, true);
    let lower = SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32;
    b.append(I::SqlIdentifierCase, lower);
    b.append(I::SqlIdentifierQuoteChar, "\"");
    b.append(
        I::SqlQuotedIdentifierCase,
        SqlSupportedCaseSensitivity::SqlCaseSensitivityUnknown as i32,
    );
    b.append(I::SqlAllTablesAreSelectable, true);
    b.append(
        I::SqlNullOrdering,
        SqlNullOrdering::SqlNullsSortedHigh as i32,
    );
    b.append(I::SqlSearchStringEscape, "\\");
    b.append(I::SqlExtraNameCharacters, "");
    b.append(I::SqlSupportsColumnAliasing, true);
    b.append(I::SqlNullPlusNullIsNull, true);
    b.append(I::SqlSupportsTableCorrelationNames, true);
    b.append(I::SqlSupportsDifferentTableCorrelationNames, false);
    b.append(I::SqlSupportsExpressionsInOrderBy, true);
    b.append(I::SqlSupportsOrderByUnrelated, true);
    b.append(I::SqlSupportsLikeEscapeClause, true);
    b.append(I::SqlSupportsNonNullableColumns, true);
    b.append(I::SqlSupportsIntegrityEnhancementFacility, false);
    b.append(I::SqlSchemaTerm, "schema");
    b.append(I::SqlProcedureTerm, "function");
    b.append(I::SqlCatalogTerm, "database");
    b.append(I::SqlCatalogAtStart, true);
    b.append(I::SqlSelectForUpdateSupported, false);
    b.append(I::SqlStoredProceduresSupported, false);
    b.append(I::SqlCorrelatedSubqueriesSupported, true);
    for limit in [
        I::SqlMaxColumnNameLength,
        I::SqlDbSchemaNameLength,
        I::SqlMaxCatalogNameLength,
        I::SqlMaxTableNameLength,
        I::SqlMaxUsernameLength,
    ] {
        b.append(limit, MAX_NAME);
    }
    b.append(
        I::SqlDefaultTransactionIsolation,
        SqlTransactionIsolationLevel::SqlTransactionNone as i64,
    );
    b.append(I::SqlTransactionsSupported, false);
    b.append(I::SqlDataDefinitionCausesTransactionCommit, false);
    b.append(I::SqlDataDefinitionsInTransactionsIgnored, false);
    b.append(I::SqlBatchUpdatesSupported, true);
    b.append(I::SqlSavepointsSupported, false);
    b.append(I::SqlNamedParametersSupported, false);
    b.append(I::SqlLocatorsUpdateCopy, false);
    b.append(I::SqlStoredFunctionsUsingCallSyntaxSupported, false);
    b.build().map_err(failed)
}
