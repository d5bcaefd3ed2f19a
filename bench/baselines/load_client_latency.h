// Mode `latency` of load_client.c: open loop. Line n of a stream is due at start + n / rate, whatever has happened to
// the lines before it, and its latency is the time from then to the arrival of its result. So if a program stalls, all
// lines that were due meanwhile count as late; a closed loop would have sent, and measured, only one of them.
//
//     T1 flood sender    floodConnections sockets, non-blocking; what is due and does not fit stays due
//     T2 urgent sender   one socket of its own, keys `u…` where the flood has keys `k…`
//     T3 output reader   counts all results, parses those whose key begins with `u` and matches them by seq
//
// Verified means that every urgent line was sent and got exactly one result, with its own band, key and CRC-32, and for
// each key in the order of seq (which is the order that the program promises; two keys may have two owners).
//
// Ordering table. Everything else is handed over by pthread_create and pthread_join.
//
// | pair            | write side     | read side      | carries                             | needs   |
// |-----------------|----------------|----------------|-------------------------------------|---------|
// | `run.urgentEnd` | `urgentSender` | `outputReader` | the moment itself                   | relaxed |
// | `run.floodEnd`  | `floodSender`  | `outputReader` | the fact itself                     | relaxed |
#ifndef PERCORE_BENCH_LOAD_CLIENT_LATENCY_H
#define PERCORE_BENCH_LOAD_CLIENT_LATENCY_H

#include "load_client_results.h"
#include "load_client_senders.h"

static void recordUrgent(struct Run *run, const char *line, size_t length, int64_t receivedNs, int64_t *lastSeqOfKey) {
  struct Result result;
  if (!parseResult(line, length, &result) || result.seq >= run->urgentLines) {
    complain("not a result of an urgent line: '%.*s'", (int)length, line);
    return;
  }
  const size_t at = result.seq % run->urgentBlock.lines;
  if (result.key != run->urgentBlock.keys[at] || result.crc != run->urgentBlock.crcs[at] ||
      result.band != (uint32_t)run->options->urgentBand) {
    complain("wrong result of an urgent line: '%.*s'", (int)length, line);
    return;
  }
  if (run->latencyNs[result.seq] >= 0) {
    complain("a second result of an urgent line: '%.*s'", (int)length, line);
    return;
  }
  if ((int64_t)result.seq < lastSeqOfKey[result.key]) {
    complain("out of order, after seq %lld of the same key: '%.*s'", (long long)lastSeqOfKey[result.key], (int)length,
             line);
  }
  lastSeqOfKey[result.key] = (int64_t)result.seq;
  run->latencyNs[result.seq] = receivedNs - intendedNs(run, result.seq);
  run->urgentResults += 1;
}

// Goes through the complete lines in the buffer. The key is the fourth field; of flood results it looks at three spaces
// and the newline.
static void readResults(struct Run *run, struct LineReader *reader, int64_t receivedNs, int64_t *lastSeqOfKey) {
  const char *line = reader->buffer;
  const char *const end = reader->buffer + reader->length;
  for (const char *newline; (newline = memchr(line, '\n', (size_t)(end - line))) != NULL; line = newline + 1) {
    const char *key = line;
    for (int spaces = 0; spaces < 3 && key < newline; ++key) spaces += *key == ' ';
    run->results += 1;
    if (*key == 'u') recordUrgent(run, line, (size_t)(newline - line), receivedNs, lastSeqOfKey);
  }
  reader->length = (size_t)(end - line);
  memmove(reader->buffer, line, reader->length);
}

// T3. The time of arrival is taken once for each read, before parsing, since all of its bytes have come by then.
static void *outputReader(void *pointer) {
  struct Run *run = pointer;
  struct LineReader reader = {.buffer = allocate(readBytes, 1)};
  int64_t *lastSeqOfKey = allocate((size_t)run->options->keys, sizeof *lastSeqOfKey);
  memset(lastSeqOfKey, 0xff, (size_t)run->options->keys * sizeof *lastSeqOfKey);
  run->isFifoGranted[1] = tryFifo(run->options->fifo);

  bool isWarm = false, isOver = false;
  for (;;) {
    const ssize_t received = receiveInto(&reader, run->output);  // Sleeps at most the socket's receive timeout.
    const int64_t now = nowNs();
    if (!isWarm && now >= run->warmEndNs) {
      isWarm = true;
      run->warmEndResults = run->results;
    }
    if (!isOver && now >= run->endNs) {
      isOver = true;
      run->endResults = run->results;
    }
    if (received > 0) readResults(run, &reader, now, lastSeqOfKey);
    if (received == 0) {
      complain("the program closed the output after %llu results", (unsigned long long)run->results);
      break;
    }
    const int64_t urgentEndNs = atomic_load_explicit(&run->urgentEndNs, memory_order_relaxed);  // run.urgentEnd
    if (urgentEndNs == 0) continue;
    const bool isFloodOver = atomic_load_explicit(&run->isFloodOver, memory_order_relaxed);     // run.floodEnd
    // Both senders end after the grace time at the latest, so this has a bound whatever the program does.
    if ((isFloodOver && run->urgentResults >= run->urgentLines) || now >= urgentEndNs + graceNs) break;
  }
  if (!isOver) run->endResults = run->results;
  free(lastSeqOfKey);
  free(reader.buffer);
  return NULL;
}

static void startThread(pthread_t *thread, void *(*body)(void *), struct Run *run) {
  const int error = pthread_create(thread, NULL, body, run);
  if (error != 0) stop(exitFailedCheck, "pthread_create: %s", strerror(error));
}

static int runLatency(const struct Options *options) {
  static struct Run run;
  run.options = options;
  run.floodBlock = makeBlock('k', options->keys, options->floodBand, options->lineBytes);
  run.urgentBlock = makeBlock('u', options->keys, options->urgentBand, options->lineBytes);
  run.urgentLines = (uint64_t)((options->warmupSeconds + options->seconds) * options->urgentRate);
  if (run.urgentLines > maxUrgentLines) stop(exitBadArgument, "more than %d urgent lines in all", maxUrgentLines);
  run.latencyNs = allocate(run.urgentLines, sizeof(int64_t));
  run.latenessNs = allocate(run.urgentLines, sizeof(int64_t));
  memset(run.latencyNs, 0xff, run.urgentLines * sizeof(int64_t));  // Sets every sample to −1, and touches its page.
  memset(run.latenessNs, 0xff, run.urgentLines * sizeof(int64_t));
  // For the calling thread, and so for the threads that it starts.
  if (options->nice != notGiven && setpriority(PRIO_PROCESS, 0, (int)options->nice) != 0) {
    fprintf(stderr, "load_client: --nice %lld was not granted: %s\n", (long long)options->nice, strerror(errno));
  }

  run.output = connectTo(options->outputPort);
  const struct timeval receiveTimeout = {.tv_usec = 50000};
  // The reader blocks, so that a result costs one system call. It wakes now and then to see whether everything is over.
  if (fcntl(run.output, F_SETFL, fcntl(run.output, F_GETFL) & ~O_NONBLOCK) != 0 ||
      setsockopt(run.output, SOL_SOCKET, SO_RCVTIMEO, &receiveTimeout, sizeof receiveTimeout) != 0) {
    stop(exitFailedCheck, "setting up the output: %s", strerror(errno));
  }
  run.flood = allocate((size_t)options->floodConnections + 1, sizeof *run.flood);
  for (int64_t index = 0; index < options->floodConnections; ++index) {
    const size_t firstLine = (size_t)index * run.floodBlock.lines / (size_t)options->floodConnections;
    run.flood[index] =
        (struct Connection){.fd = connectTo(options->inputPort), .offset = firstLine * run.floodBlock.lineBytes};
  }
  run.urgent = (struct Connection){.fd = connectTo(options->inputPort)};

  run.startNs = nowNs() + settleMs * (secondNs / 1000);
  run.warmEndNs = run.startNs + options->warmupSeconds * secondNs;
  run.endNs = run.warmEndNs + options->seconds * secondNs;
  pthread_t reader, urgentThread, floodThread;
  startThread(&reader, outputReader, &run);
  startThread(&urgentThread, urgentSender, &run);
  startThread(&floodThread, floodSender, &run);
  pthread_join(urgentThread, NULL);
  pthread_join(floodThread, NULL);
  pthread_join(reader, NULL);
  if (!run.urgent.isClosed) readAnswers(&run.urgent, false);

  // The lines that are measured are those due after the warm-up. Sending and receiving are counted separately.
  const uint64_t firstMeasured = (uint64_t)(options->warmupSeconds * options->urgentRate);
  uint64_t sent = 0, received = 0;
  for (uint64_t seq = firstMeasured; seq < run.urgentLines; ++seq) {
    if (run.latenessNs[seq] >= 0) run.latenessNs[sent++] = run.latenessNs[seq];
    if (run.latencyNs[seq] >= 0) run.latencyNs[received++] = run.latencyNs[seq];
  }
  if (sent != run.urgentLines - firstMeasured || received != sent) {
    complain("of %llu urgent lines %llu were sent and %llu answered",
             (unsigned long long)(run.urgentLines - firstMeasured), (unsigned long long)sent,
             (unsigned long long)received);
  }
  qsort(run.latencyNs, received, sizeof(int64_t), compareSamples);
  qsort(run.latenessNs, sent, sizeof(int64_t), compareSamples);

  const bool isVerified = !atomic_load_explicit(&hasFailed, memory_order_relaxed);  // run.failed
  printf("{\"urgentSent\":%llu,\"urgentReceived\":%llu", (unsigned long long)sent, (unsigned long long)received);
  printMicroseconds("p50Us", run.latencyNs, received, 5000);
  printMicroseconds("p99Us", run.latencyNs, received, 9900);
  printMicroseconds("p999Us", run.latencyNs, received, 9990);
  printMicroseconds("maxUs", run.latencyNs, received, 10000);
  printMicroseconds("urgentSendLateP99Us", run.latenessNs, sent, 9900);
  printf(
      ",\"floodOffered\":%llu,\"floodSent\":%llu,\"resultsReceived\":%llu,\"resultsPerSecond\":%.0f,"
      "\"floodBehind\":%llu",
      (unsigned long long)run.floodOffered, (unsigned long long)run.floodSent, (unsigned long long)run.results,
      (double)(run.endResults - run.warmEndResults) / (double)options->seconds,
      (unsigned long long)(run.floodOffered - run.floodSent));
  printf(",\"nice\":%d,\"fifoGranted\":%s,\"verified\":%s}\n", getpriority(PRIO_PROCESS, 0),
         options->fifo == notGiven ? "null" : run.isFifoGranted[0] && run.isFifoGranted[1] ? "true" : "false",
         isVerified ? "true" : "false");
  return isVerified ? 0 : exitFailedCheck;
}

#endif
