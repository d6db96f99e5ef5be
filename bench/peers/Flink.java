import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

/** Runs a file of Flink SQL in one JVM and waits for its last statement: arguments are the file and settings as name=value. */
public class Flink {
    public static void main(String[] args) throws Exception {
        Configuration settings = new Configuration();
        for (int at = 1; at < args.length; at++) {
            String[] pair = args[at].split("=", 2);
            settings.setString(pair[0], pair[1]);
        }
        TableEnvironment tables = TableEnvironment.create(
                EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(settings).build());
        TableResult last = null;
        for (String statement : Files.readString(Path.of(args[0])).split(";\\s*\n")) {
            last = tables.executeSql(statement);
        }
        System.out.println("bench: running");
        last.await();
        System.exit(0);
    }
}
