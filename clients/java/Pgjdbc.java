// pgjdbc on Sluice: parameters, types, a cursor, a batch, what tables there are, an error.
// java -cp postgresql-42.7.14.jar Pgjdbc.java [port]      (after clients/sql/known.sql)
import java.math.BigDecimal;
import java.sql.*;
import java.time.*;
import java.util.*;

public class Pgjdbc {
    public static void main(String[] args) throws Exception {
        String port = args.length > 0 ? args[0] : "5455";
        try (Connection c = DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + port + "/sluice?user=sluice")) {
            parameters(c);
            types(c);
            cursor(c);
            batch(c);
            metadata(c);
            error(c);
            System.out.println("pgjdbc " + c.getMetaData().getDriverVersion());
        }
    }

    // Run often enough to be prepared on the server (prepareThreshold is 5).
    static void parameters(Connection c) throws SQLException {
        String sql = "SELECT sum(event_count) FROM gold.real_time_metrics WHERE event_type = ? AND window_start < ?";
        try (PreparedStatement s = c.prepareStatement(sql)) {
            for (int i = 0; i < 8; i++) {
                s.setString(1, "page_view");
                s.setObject(2, OffsetDateTime.parse("2027-01-01T00:00:00Z"));
                try (ResultSet rows = s.executeQuery()) {
                    rows.next();
                    same(13122L, rows.getLong(1));
                }
            }
        }
    }

    static void types(Connection c) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery("SELECT * FROM gold.orders ORDER BY id")) {
            same("numeric(10,2)", r.getMetaData().getColumnTypeName(3) + "(" + r.getMetaData().getPrecision(3) + "," + r.getMetaData().getScale(3) + ")");
            r.next();
            r.next();
            r.next();
            same(3L, r.getObject("id"));
            same(new BigDecimal("100.00"), r.getBigDecimal("amount"));
            same(20.0, r.getDouble("weight"));
            same(9, r.getInt("pieces"));
            same(true, r.getBoolean("paid"));
            same(OffsetDateTime.parse("2026-01-01T01:30:00.123456Z"), r.getObject("placed_at", OffsetDateTime.class));
            same(LocalDate.of(2026, 1, 1), r.getObject("day", LocalDate.class));
            r.next();
            same("it's ä", r.getString("customer"));
            r.next();
            same(null, r.getObject("amount"));
        }
    }

    static void cursor(Connection c) throws SQLException {
        c.setAutoCommit(false);
        long events = 0, rows = 0;
        try (Statement s = c.createStatement()) {
            s.setFetchSize(1000);
            try (ResultSet r = s.executeQuery("SELECT event_count FROM gold.real_time_metrics")) {
                for (; r.next(); rows++) events += r.getLong(1);
            }
        }
        c.commit();
        c.setAutoCommit(true);
        same(11675L, rows);
        same(60000L, events);
    }

    static void batch(Connection c) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.execute("DROP TABLE IF EXISTS public.from_java");
            s.execute("CREATE TABLE public.from_java (id BIGINT, at TIMESTAMPTZ, note TEXT, amount NUMERIC(10, 2))");
            try (PreparedStatement p = c.prepareStatement("INSERT INTO public.from_java VALUES (?, ?, ?, ?)")) {
                for (int i = 0; i < 20; i++) {
                    p.setLong(1, i);
                    p.setObject(2, OffsetDateTime.parse("2026-01-01T00:00:00Z").plusMinutes(i));
                    p.setString(3, i % 2 == 0 ? "even" : null);
                    p.setBigDecimal(4, new BigDecimal("0.25"));
                    p.addBatch();
                }
                same(20, Arrays.stream(p.executeBatch()).sum());
            }
            same(5, s.executeUpdate("DELETE FROM public.from_java WHERE id >= 15"));
            try (ResultSet r = s.executeQuery("SELECT count(*), count(note), sum(amount), max(at) FROM public.from_java")) {
                r.next();
                same("15 8 3.75 2026-01-01T00:14Z", r.getLong(1) + " " + r.getLong(2) + " " + r.getBigDecimal(3) + " " + r.getObject(4, OffsetDateTime.class));
            }
            s.execute("DROP TABLE public.from_java");
        }
    }

    static void metadata(Connection c) throws SQLException {
        DatabaseMetaData m = c.getMetaData();
        same("PostgreSQL 15", m.getDatabaseProductName() + " " + m.getDatabaseMajorVersion());
        same("[orders, real_time_metrics]", names(m.getTables(null, "gold", "%", new String[] {"TABLE"}), "TABLE_NAME").toString());
        same("[streaming_metrics]", names(m.getTables(null, "public", "%", new String[] {"VIEW"}), "TABLE_NAME").toString());
        same(true, names(m.getSchemas(), "TABLE_SCHEM").containsAll(List.of("gold", "public", "information_schema")));
        same("[id, customer, amount, weight, pieces, paid, placed_at, day]", names(m.getColumns(null, "gold", "orders", "%"), "COLUMN_NAME").toString());
        same("[int8, text, numeric, float8, int4, bool, timestamptz, date]", names(m.getColumns(null, "gold", "orders", "%"), "TYPE_NAME").toString());
        same("[events a minute]", names(m.getTables(null, "gold", "real_time_metrics", null), "REMARKS").toString());
        same("[]", names(m.getPrimaryKeys(null, "gold", "orders"), "COLUMN_NAME").toString());
        same("[]", names(m.getIndexInfo(null, "gold", "orders", false, true), "INDEX_NAME").toString());
        same("[]", names(m.getImportedKeys(null, "gold", "orders"), "FKCOLUMN_NAME").toString());
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
            same("42P01", e.getSQLState());
        }
        same(true, c.isValid(5));
    }

    static void same(Object expected, Object found) {
        if (!Objects.equals(expected, found)) throw new AssertionError("expected " + expected + ", found " + found);
    }
}
