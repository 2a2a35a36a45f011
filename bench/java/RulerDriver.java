import java.io.BufferedReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import software.amazon.event.ruler.Machine;

/** The other side of bench/matching.py: rules and events from files, rates and the number of matches on standard output. */
public class RulerDriver {
    public static void main(String[] arguments) throws Exception {
        Machine machine = new Machine();
        int number = 0;
        for (String rule : Files.readAllLines(Path.of(arguments[0]))) {
            machine.addRule("r" + number++, rule);
        }
        List<String> events = new ArrayList<>();
        try (BufferedReader reader = Files.newBufferedReader(Path.of(arguments[1]))) {
            reader.lines().forEach(events::add);
        }
        int rounds = Integer.parseInt(arguments[2]);
        for (int round = 0; round < rounds; round++) {
            long start = System.nanoTime();
            long matches = 0;
            for (String event : events) {
                matches += machine.rulesForJSONEvent(event).size();
            }
            double seconds = (System.nanoTime() - start) / 1e9;
            System.out.println(matches + " " + events.size() / seconds);
        }
    }
}
