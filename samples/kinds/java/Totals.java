import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

public class Totals {
    public static void main(String[] args) throws Exception {
        double[] invoices = {19.0, 21.5, 19.5};
        double total = 0;
        for (double amount : invoices) {
            total += amount;
        }
        String month = System.getenv().getOrDefault("BOTYARD_PARAM_MONTH", "this month");
        String sum = String.format(Locale.ROOT, "%.2f", total);
        System.out.println("totals of " + month + ": " + invoices.length + " invoices, " + sum);
        Path folder = Path.of(System.getenv().getOrDefault("BOTYARD_ARTIFACTS", "."));
        String table = "month,invoices,total\n" + month + "," + invoices.length + "," + sum + "\n";
        Files.writeString(folder.resolve("totals.csv"), table);
    }
}
