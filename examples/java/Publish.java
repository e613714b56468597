import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Publishes a job and waits for its end. Java 17 or later, no libraries (use your JSON library where this has a pattern).
 *
 * <p>java Publish.java BODY.json; WRITEBEHIND_URL, WRITEBEHIND_TOKEN; exit 0: Succeeded, 1: anything else.
 */
public class Publish {
    private static final String BASE = System.getenv().getOrDefault("WRITEBEHIND_URL", "http://127.0.0.1:8080");
    private static final String TOKEN = System.getenv("WRITEBEHIND_TOKEN");
    private static final Duration PATIENCE = Duration.ofSeconds(120);
    private static final HttpClient CLIENT = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    static class Refused extends Exception {
        Refused(HttpResponse<String> answer) {
            super(answer.statusCode() + " " + answer.body());
        }
    }

    /** The answer's body. What may pass (429, 503, no answer) is sent again as it is, for PATIENCE. */
    static String call(HttpRequest.Builder builder) throws IOException, InterruptedException, Refused {
        if (TOKEN != null) builder.header("Authorization", "Bearer " + TOKEN);
        HttpRequest request = builder.timeout(Duration.ofSeconds(60)).build();
        Instant giveUp = Instant.now().plus(PATIENCE);
        while (true) {
            long pause = 1;
            try {
                HttpResponse<String> answer = CLIENT.send(request, BodyHandlers.ofString());
                int status = answer.statusCode();
                if (status < 300) return answer.body();
                if ((status != 429 && status != 503) || Instant.now().isAfter(giveUp)) throw new Refused(answer);
                pause = answer.headers().firstValueAsLong("Retry-After").orElse(1);
            } catch (IOException e) {
                if (Instant.now().isAfter(giveUp)) throw e;
            }
            Thread.sleep(pause * 1000);
        }
    }

    /** Returns the job's id as soon as the writes are durable. One key for all attempts: the job is published once. */
    static String publish(Path body) throws IOException, InterruptedException, Refused {
        return member("jobId", call(HttpRequest.newBuilder(URI.create(BASE + "/v1/jobs"))
                .header("Content-Type", "application/json")
                .header("Idempotency-Key", UUID.randomUUID().toString())
                .POST(BodyPublishers.ofFile(body))));
    }

    /** Returns the job when it has ended. */
    static String end(String jobId) throws IOException, InterruptedException, Refused {
        while (true) {
            String job = call(HttpRequest.newBuilder(URI.create(BASE + "/v1/jobs/" + jobId + "?wait=30")));
            if (member("status", job).matches("Succeeded|Failed")) return job;
            Thread.sleep(1000);
        }
    }

    /** The first string of that name. */
    static String member(String name, String json) {
        Matcher found = Pattern.compile("\"" + name + "\":\"([^\"]*)\"").matcher(json);
        return found.find() ? found.group(1) : "";
    }

    public static void main(String[] args) throws Exception {
        try {
            String jobId = publish(Path.of(args[0]));
            System.out.println("accepted: " + jobId);
            String job = end(jobId);
            System.out.println(member("status", job) + ": " + job);
            System.exit(member("status", job).equals("Succeeded") ? 0 : 1);
        } catch (Refused e) {
            System.err.println("refused: " + e.getMessage());
            System.exit(1);
        }
    }
}
