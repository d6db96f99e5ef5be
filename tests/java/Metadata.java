// Asks pgjdbc's DatabaseMetaData everything a tool asks. Prints "step NAME" before each question and waits for a line; at the end the
// driver's version.
import java.sql.*;
import java.util.*;

public class Metadata {
    interface Question { ResultSet ask() throws SQLException; }

    static final Scanner in = new Scanner(System.in);

    static void step(String name) {
        System.out.println("step " + name);
        in.nextLine();
    }

    static void ask(String name, Question question) throws SQLException {
        step(name);
        try (ResultSet rows = question.ask()) {
            while (rows != null && rows.next()) { }
        }
    }

    public static void main(String[] args) throws Exception {
        step("connect");
        try (Connection c = DriverManager.getConnection(args[0])) {
            DatabaseMetaData m = c.getMetaData();
            ask("getCatalogs", () -> m.getCatalogs());
            ask("getSchemas", () -> m.getSchemas());
            ask("getSchemas(null, gold)", () -> m.getSchemas(null, "gold"));
            ask("getTableTypes", () -> m.getTableTypes());
            ask("getTables(null, null, %)", () -> m.getTables(null, null, "%", null));
            ask("getTables(null, gold, %, TABLE, VIEW)", () -> m.getTables(null, "gold", "%", new String[] {"TABLE", "VIEW"}));
            ask("getColumns(null, gold, orders)", () -> m.getColumns(null, "gold", "orders", "%"));
            ask("getPrimaryKeys", () -> m.getPrimaryKeys(null, "gold", "orders"));
            ask("getImportedKeys", () -> m.getImportedKeys(null, "gold", "orders"));
            ask("getExportedKeys", () -> m.getExportedKeys(null, "gold", "orders"));
            ask("getCrossReference", () -> m.getCrossReference(null, "gold", "orders", null, "public", "kinds"));
            ask("getIndexInfo", () -> m.getIndexInfo(null, "gold", "orders", false, true));
            ask("getBestRowIdentifier", () -> m.getBestRowIdentifier(null, "gold", "orders", 2, true));
            ask("getVersionColumns", () -> m.getVersionColumns(null, "gold", "orders"));
            ask("getTablePrivileges", () -> m.getTablePrivileges(null, "gold", "orders"));
            ask("getColumnPrivileges", () -> m.getColumnPrivileges(null, "gold", "orders", "id"));
            ask("getProcedures", () -> m.getProcedures(null, "gold", "%"));
            ask("getProcedureColumns", () -> m.getProcedureColumns(null, "gold", "%", "%"));
            ask("getFunctions", () -> m.getFunctions(null, "gold", "%"));
            ask("getFunctionColumns", () -> m.getFunctionColumns(null, "gold", "%", "%"));
            ask("getTypeInfo", () -> m.getTypeInfo());
            ask("getUDTs", () -> m.getUDTs(null, "gold", "%", null));
            ask("getClientInfoProperties", () -> m.getClientInfoProperties());
            step("limits");
            m.getMaxColumnNameLength();
            m.getSQLKeywords();
            m.getDatabaseProductVersion();
            m.getMaxIndexLength();
            m.getDefaultTransactionIsolation();
            step("a query with a fetch size, and its columns");
            c.setAutoCommit(false);
            try (PreparedStatement s = c.prepareStatement("SELECT id, customer, amount FROM gold.orders WHERE id >= ? ORDER BY id")) {
                s.setFetchSize(2);
                s.setLong(1, 1);
                try (ResultSet rows = s.executeQuery()) {
                    ResultSetMetaData d = rows.getMetaData();
                    for (int i = 1; i <= d.getColumnCount(); i++) { d.getTableName(i); d.isNullable(i); d.isAutoIncrement(i); d.getColumnTypeName(i); }
                    while (rows.next()) { rows.getBigDecimal(3); }
                }
            }
            c.commit();
            step("session");
            c.setReadOnly(true);
            c.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            c.getTransactionIsolation();
            c.setSchema("gold");
            c.getSchema();
            c.isValid(5);
            c.commit();
            System.out.println(m.getDriverVersion());
        }
    }
}
