import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Utils;

/**
 * Publishes a job straight to Kafka by the record contract (docs/CONTRACT.md), and waits for its end.
 *
 * <p>java -cp 'LIBS/*' Publish.java DOCUMENTS.ndjson (a document a line), or by the pom beside this file;
 * KAFKA_BOOTSTRAP_SERVERS, TOPIC_WRITES, TOPIC_RESULTS; exit 0: Succeeded, 1: anything else.
 */
public class Publish {
    private static final String SERVERS = setting("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092");
    private static final String WRITES = setting("TOPIC_WRITES", "writebehind.writes");
    private static final String RESULTS = setting("TOPIC_RESULTS", "writebehind.results");
    private static final Duration PATIENCE = Duration.ofSeconds(120);
    private static final ObjectMapper JSON = new ObjectMapper();

    static String setting(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** The records first, then, when Kafka holds all of them, the job's accepted record: it is the commit mark. */
    static void publish(KafkaProducer<byte[], byte[]> producer, String job, int resultsPartition, List<String> lines)
            throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (String line : lines) {
            // A key of bytes and no partition: the client's default, murmur2 of the key.
            ProducerRecord<byte[], byte[]> write =
                    new ProducerRecord<>(WRITES, utf8(JSON.readTree(line).get("id").textValue()), utf8(line));
            write.headers().add("wb-job", utf8(job)).add("wb-seq", utf8(Integer.toString(sent.size())));
            sent.add(producer.send(write));
        }
        for (Future<RecordMetadata> one : sent) one.get();
        Map<String, Object> accepted =
                Map.of("type", "accepted", "job", job, "count", lines.size(), "at", System.currentTimeMillis());
        producer.send(new ProducerRecord<>(RESULTS, resultsPartition, null, JSON.writeValueAsBytes(accepted))).get();
    }

    /** Adds first,last,first,last… to a set, without what another holds. */
    static void add(BitSet set, JsonNode flat, BitSet without) {
        for (int i = 0; i + 1 < flat.size(); i += 2) {
            for (int n = flat.get(i).intValue(); n <= flat.get(i + 1).intValue(); n++) if (!without.get(n)) set.set(n);
        }
    }

    /** Returns whether all was written. The first outcome of a write counts; later ones repeat it. */
    static boolean waitForEnd(KafkaConsumer<byte[], byte[]> consumer, String job, int count) throws Exception {
        BitSet ended = new BitSet(), dead = new BitSet();
        Instant giveUp = Instant.now().plus(PATIENCE);
        while (ended.cardinality() < count) {
            if (Instant.now().isAfter(giveUp)) throw new IllegalStateException("not ended yet: " + ended);
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                JsonNode result = JSON.readTree(record.value());
                if (!result.path("type").asText().equals("outcomes")) continue; // skip what you do not know
                for (JsonNode part : result.path("jobs")) {
                    if (!part.path("job").asText().equals(job)) continue;
                    add(dead, part.path("dead"), ended);
                    ended.or(dead);
                    add(ended, part.path("written"), ended);
                    add(ended, part.path("superseded"), ended);
                    for (JsonNode failure : part.path("failures")) System.err.println("dead: " + failure);
                }
            }
        }
        return dead.isEmpty();
    }

    public static void main(String[] args) throws Exception {
        List<String> lines = Files.readAllLines(Path.of(args[0])).stream().filter(line -> !line.isBlank()).toList();
        String job = UUID.randomUUID().toString().replace("-", "");
        // acks=all and idempotence are this client's defaults.
        Map<String, Object> to = Map.of("bootstrap.servers", SERVERS, "max.request.size", 3_000_000,
                "acks", "all", "enable.idempotence", true);
        Map<String, Object> from = Map.of("bootstrap.servers", SERVERS, "enable.auto.commit", false);
        boolean succeeded;
        try (var producer = new KafkaProducer<>(to, new ByteArraySerializer(), new ByteArraySerializer());
                var consumer = new KafkaConsumer<>(from, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            int partitions = consumer.partitionsFor(RESULTS).size();
            TopicPartition results =
                    new TopicPartition(RESULTS, Utils.toPositive(Utils.murmur2(utf8(job))) % partitions);
            // Outcomes can be there before the accepted record is: read from where the topic ends now.
            consumer.assign(List.of(results));
            consumer.seekToEnd(List.of(results));
            consumer.position(results);
            publish(producer, job, results.partition(), lines);
            System.out.println("accepted: " + job);
            succeeded = waitForEnd(consumer, job, lines.size());
        } catch (ExecutionException e) {
            System.err.println("not published: " + e.getCause());
            System.exit(1);
            return;
        }
        System.out.println(succeeded ? "Succeeded" : "Failed");
        System.exit(succeeded ? 0 : 1);
    }
}
