// Arrow Flight SQL's JDBC driver on Sluice: parameters, types, what tables there are, an error.
// java --add-opens=java.base/java.nio=ALL-UNNAMED -cp flight-sql-jdbc-driver-18.3.0.jar FlightJdbc.java [port]      (after clients/sql/known.sql)
import java.math.BigDecimal;
import java.sql.*;
import java.util.*;

public class FlightJdbc {
    public static void main(String[] args) throws Exception {
        String port = args.length > 0 ? args[0] : "5456";
        try (Connection c = DriverManager.getConnection("jdbc:arrow-flight-sql://127.0.0.1:" + port + "?useEncryption=false")) {
            gold(c);
            parameters(c);
            types(c);
            writes(c);
            metadata(c);
            error(c);
            System.out.println("flight-sql-jdbc-driver " + c.getMetaData().getDriverVersion());
        }
    }

    static void gold(Connection c) throws SQLException {
        long events = 0, rows = 0;
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery("SELECT event_type, event_count FROM gold.real_time_metrics")) {
            for (; r.next(); rows++) events += r.getLong("event_count");
        }
        same(11675L, rows);
        same(60000L, events);
    }

    static void parameters(Connection c) throws SQLException {
        String sql = "SELECT sum(event_count) AS events FROM gold.real_time_metrics WHERE event_type = ? AND event_count > ?";
        try (PreparedStatement s = c.prepareStatement(sql)) {
            for (int i = 0; i < 3; i++) {
                s.setString(1, "page_view");
                s.setLong(2, 0);
                try (ResultSet r = s.executeQuery()) {
                    r.next();
                    same(13122L, r.getLong(1));
                }
            }
        }
    }

    static void types(Connection c) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery("SELECT * FROM gold.orders WHERE id IN (3, 4, 5) ORDER BY id")) {
            same("[BIGINT, VARCHAR, DECIMAL, DOUBLE, INTEGER, BOOLEAN, TIMESTAMP_WITH_TIMEZONE, DATE]", kinds(r.getMetaData()).toString());
            r.next();
            same(3L, r.getLong("id"));
            same(new BigDecimal("100.00"), r.getBigDecimal("amount"));
            same(20.0, r.getDouble("weight"));
            same(9, r.getInt("pieces"));
            same(true, r.getBoolean("paid"));
            same(1767231000123L, r.getTimestamp("placed_at", Calendar.getInstance(TimeZone.getTimeZone("UTC"))).getTime());
            same("2026-01-01", r.getString("day"));
            r.next();
            same("it's ä", r.getString("customer"));
            r.next();
            r.getBigDecimal("amount");
            same(true, r.wasNull());
        }
    }

    static List<String> kinds(ResultSetMetaData m) throws SQLException {
        List<String> found = new ArrayList<>();
        for (int i = 1; i <= m.getColumnCount(); i++) found.add(JDBCType.valueOf(m.getColumnType(i)).getName());
        return found;
    }

    static void writes(Connection c) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.executeUpdate("CREATE TABLE public.from_flight (id BIGINT, note TEXT)");
            same(2, s.executeUpdate("INSERT INTO public.from_flight VALUES (1, 'a'), (2, 'b')"));
            try (PreparedStatement p = c.prepareStatement("INSERT INTO public.from_flight VALUES (?, ?)")) {
                p.setLong(1, 3);
                p.setString(2, "c");
                same(1, p.executeUpdate());
            }
            try (ResultSet r = s.executeQuery("SELECT count(*), max(note) FROM public.from_flight")) {
                r.next();
                same("3 c", r.getLong(1) + " " + r.getString(2));
            }
            s.executeUpdate("DROP TABLE public.from_flight");
        }
    }

    static void metadata(Connection c) throws SQLException {
        DatabaseMetaData m = c.getMetaData();
        same("[orders, real_time_metrics]", names(m.getTables(null, "gold", "%", null), "TABLE_NAME").toString());
        same(true, names(m.getSchemas(), "TABLE_SCHEM").containsAll(List.of("gold", "public")));
        same("[id, customer, amount, weight, pieces, paid, placed_at, day]", names(m.getColumns(null, "gold", "orders", "%"), "COLUMN_NAME").toString());
        same(true, names(m.getTableTypes(), "TABLE_TYPE").contains("TABLE"));
        same("[]", names(m.getPrimaryKeys(null, "gold", "orders"), "COLUMN_NAME").toString());
    }

    static List<String> names(ResultSet rows, String column) throws SQLException {
        List<String> found = new ArrayList<>();
        try (rows) {
            while (rows.next()) found.add(rows.getString(column));
        }
        return found;
    }

    static void error(Connection c) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.executeQuery("SELECT * FROM gold.nowhere");
            throw new AssertionError("no error");
        } catch (SQLException e) {
            if (!e.getMessage().contains("relation \"gold.nowhere\" does not exist")) throw e;
        }
    }

    static void same(Object expected, Object found) {
        if (!Objects.equals(expected, found)) throw new AssertionError("expected " + expected + ", found " + found);
    }
}
