/* Load for TFTP servers: many clients read one file at the same time.
 *
 *   cc -O2 -o tftpload tftpload.c
 *   tftpload --clients 16 --transfers 64 --blksize 1468 --windowsize 4 --size 4194304 192.0.2.1 69 big.bin
 *
 * Each client is a slot of its own in one epoll set; when its transfer ends it begins the next one on a new port.
 * Every request asks for tsize, and for blksize and windowsize where they differ from what RFC 1350 means
 * without them. A server may leave any option out of its OACK, or begin with block 1 at once (RFC 2347).
 *
 * A transfer is good when its last block arrived and the octets are as many as --size and as the server's tsize
 * (each only if it was given). One line of JSON on standard output; exit status 0 only if every transfer was good,
 * 2 for wrong usage. After --deadline seconds it stops and counts what has not ended as unfinished.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RRQ = 1, DATA = 3, ACK = 4, ERROR = 5, OACK = 6 };
enum { MOST_EVENTS = 512, MOST_REPEATS = 8, RECEIVE_BUFFER = 1 << 20, LARGEST_BLKSIZE = 65464 };
static const int64_t PATIENCE = 1000000000; /* nanoseconds of silence until something is sent again */
static const int64_t TURN = 100000000;      /* nanoseconds between two looks for silent transfers */

struct slot {
    int fd;             /* -1 while the slot has nothing to do */
    bool answered;      /* the server's port is known and the socket connected to it */
    bool complained;    /* this gap was acknowledged already: one ACK for each loss (RFC 7440 section 4) */
    int repeats;
    uint32_t blksize, windowsize;
    uint32_t unacknowledged; /* blocks in order since the last ACK */
    uint16_t block;          /* the last block in order, modulo 65536 */
    int64_t octets, tsize;
    int64_t begun, heard;
};

struct tally {
    uint32_t begun, good, refused, wrong_size, silent;
    int64_t octets, unexpected, repeated;
};

static struct sockaddr_in server = {.sin_family = AF_INET};
static unsigned char request[1024];
static size_t request_length;
static uint32_t clients = 1, transfers = 1, blksize = 512, windowsize = 1, deadline = 60;
static int64_t size = -1;
static struct tally tally;
static int64_t *durations;
static int set;
static int64_t clock_now; /* read once a turn of the loop */

static int64_t read_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void append(const char *text)
{
    size_t length = strlen(text) + 1;
    if (request_length + length > sizeof request) {
        fprintf(stderr, "tftpload: the file name is too long\n");
        exit(2);
    }
    memcpy(request + request_length, text, length);
    request_length += length;
}

static void append_option(const char *name, uint32_t value)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%u", value);
    append(name);
    append(digits);
}

static void prepare_request(const char *file)
{
    request[1] = RRQ;
    request_length = 2;
    append(file);
    append("octet");
    append_option("tsize", 0);
    if (blksize != 512)
        append_option("blksize", blksize);
    if (windowsize != 1)
        append_option("windowsize", windowsize);
}

/* What is lost on the way out is repeated like what is lost on the wire: results of sends do not matter. */
static void send_request(struct slot *slot)
{
    (void)!sendto(slot->fd, request, request_length, 0, (struct sockaddr *)&server, sizeof server);
}

static void acknowledge(struct slot *slot)
{
    unsigned char ack[4] = {0, ACK, (unsigned char)(slot->block >> 8), (unsigned char)slot->block};
    (void)!send(slot->fd, ack, sizeof ack, 0);
    slot->unacknowledged = 0;
}

static void begin(struct slot *slot)
{
    *slot = (struct slot){.fd = -1, .blksize = 512, .windowsize = 1, .tsize = -1};
    if (tally.begun == transfers)
        return;
    tally.begun++;
    slot->begun = slot->heard = clock_now;
    slot->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = slot};
    if (slot->fd < 0 || epoll_ctl(set, EPOLL_CTL_ADD, slot->fd, &event) < 0) {
        perror("tftpload: socket");
        exit(2);
    }
    int room = RECEIVE_BUFFER;
    setsockopt(slot->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    send_request(slot);
}

/* The transfer's end, counted in one of the tally's fields; the slot goes on with the next one. */
static void end(struct slot *slot, uint32_t *count)
{
    close(slot->fd); /* leaves the epoll set by that */
    tally.octets += slot->octets;
    if (count == &tally.good)
        durations[tally.good] = read_clock() - slot->begun;
    ++*count;
    begin(slot);
}

static void take_options(struct slot *slot, unsigned char *packet, size_t length)
{
    char *at = (char *)packet + 2, *stop = (char *)packet + length;
    if (stop[-1] != '\0')
        return;
    while (at < stop) {
        char *name = at, *value = at + strlen(at) + 1;
        if (value >= stop)
            return;
        at = value + strlen(value) + 1;
        long long number = atoll(value);
        if (strcasecmp(name, "tsize") == 0 && number >= 0)
            slot->tsize = number;
        else if (strcasecmp(name, "blksize") == 0 && number >= 8 && number <= blksize)
            slot->blksize = (uint32_t)number;
        else if (strcasecmp(name, "windowsize") == 0 && number >= 1 && number <= windowsize)
            slot->windowsize = (uint32_t)number;
    }
}

/* One DATA packet; whether the transfer has ended by it. */
static bool take_data(struct slot *slot, const unsigned char *packet, uint32_t octets)
{
    uint16_t block = (uint16_t)(packet[2] << 8 | packet[3]);
    if (block != (uint16_t)(slot->block + 1)) {
        tally.unexpected++;
        /* A later block tells of a loss: say once how far it is in order. An earlier one is a repetition,
         * answered only if it is the newest, whose ACK may have been lost. */
        uint16_t ahead = (uint16_t)(block - slot->block);
        if (ahead == 0 || (ahead < 0x8000 && !slot->complained)) {
            slot->complained = ahead != 0;
            acknowledge(slot);
        }
        return false;
    }
    slot->complained = false;
    slot->block = block;
    slot->octets += octets;
    slot->unacknowledged++;
    bool last = octets < slot->blksize;
    if (last || slot->unacknowledged >= slot->windowsize)
        acknowledge(slot);
    if (last) {
        bool right = (size < 0 || slot->octets == size) && (slot->tsize < 0 || slot->octets == slot->tsize);
        end(slot, right ? &tally.good : &tally.wrong_size);
    }
    return last;
}

/* All that stands in a slot's socket, at most two windows, so that nobody waits for long. */
static void readable(struct slot *slot)
{
    static unsigned char packet[LARGEST_BLKSIZE + 4];
    uint32_t most = 2 * slot->windowsize;
    for (uint32_t taken = 0; taken < most; taken++) {
        ssize_t length;
        if (slot->answered) {
            length = recv(slot->fd, packet, sizeof packet, 0);
        } else {
            struct sockaddr_in from;
            socklen_t from_length = sizeof from;
            length = recvfrom(slot->fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &from_length);
            if (length >= 4 && from.sin_addr.s_addr == server.sin_addr.s_addr)
                slot->answered = connect(slot->fd, (struct sockaddr *)&from, sizeof from) == 0;
        }
        if (length < 4)
            return;
        slot->heard = clock_now;
        slot->repeats = 0;
        switch (packet[0] << 8 | packet[1]) {
        case DATA:
            if (take_data(slot, packet, (uint32_t)length - 4))
                return;
            break;
        case OACK:
            if (slot->block == 0 && slot->octets == 0) {
                take_options(slot, packet, (size_t)length);
                acknowledge(slot);
            }
            break;
        case ERROR:
            end(slot, &tally.refused);
            return;
        }
        if (slot->windowsize == 1)
            return; /* in lock step nothing more can have come */
    }
}

static void repeat_if_silent(struct slot *slot)
{
    if (slot->fd < 0 || clock_now - slot->heard < PATIENCE)
        return;
    if (++slot->repeats > MOST_REPEATS) {
        end(slot, &tally.silent);
        return;
    }
    slot->heard = clock_now;
    tally.repeated++;
    if (slot->answered)
        acknowledge(slot);
    else
        send_request(slot);
}

static int by_value(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static double seconds_at(uint32_t percent)
{
    return tally.good ? (double)durations[(uint64_t)(tally.good - 1) * percent / 100] / 1e9 : 0.0;
}

static void print_result(double seconds)
{
    qsort(durations, tally.good, sizeof *durations, by_value);
    printf("{\"MBps\": %.2f, \"seconds\": %.3f, \"transfers\": %u, \"good\": %u, \"wrong_size\": %u, "
           "\"refused\": %u, \"silent\": %u, \"unfinished\": %u, \"unexpected_blocks\": %lld, \"repeated\": %lld, "
           "\"p50_seconds\": %.4f, \"p99_seconds\": %.4f}\n",
           (double)tally.octets / seconds / 1e6, seconds, transfers, tally.good, tally.wrong_size, tally.refused,
           tally.silent, transfers - tally.good - tally.wrong_size - tally.refused - tally.silent,
           (long long)tally.unexpected, (long long)tally.repeated, seconds_at(50), seconds_at(99));
}

static uint32_t number(const char *text, uint32_t least, uint32_t most)
{
    char *stop;
    long long value = strtoll(text, &stop, 10);
    if (*text == '\0' || *stop != '\0' || value < least || value > most) {
        fprintf(stderr, "tftpload: %s is not a number from %u to %u\n", text, least, most);
        exit(2);
    }
    return (uint32_t)value;
}

static void read_arguments(int argc, char **argv)
{
    static const struct option known[] = {
        {"clients", required_argument, NULL, 'c'},    {"transfers", required_argument, NULL, 't'},
        {"blksize", required_argument, NULL, 'b'},    {"windowsize", required_argument, NULL, 'w'},
        {"size", required_argument, NULL, 's'},       {"deadline", required_argument, NULL, 'd'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'c': clients = number(optarg, 1, 60000); break;
        case 't': transfers = number(optarg, 1, UINT32_MAX); break;
        case 'b': blksize = number(optarg, 8, LARGEST_BLKSIZE); break;
        case 'w': windowsize = number(optarg, 1, 65535); break;
        case 's': size = number(optarg, 0, UINT32_MAX); break;
        case 'd': deadline = number(optarg, 1, 86400); break;
        default: exit(2);
        }
    }
    if (argc - optind != 3 || inet_pton(AF_INET, argv[optind], &server.sin_addr) != 1) {
        fprintf(stderr, "usage: tftpload [--clients N] [--transfers N] [--blksize N] [--windowsize N] [--size OCTETS] "
                        "[--deadline SECONDS] ADDRESS PORT FILE\n");
        exit(2);
    }
    server.sin_port = htons((uint16_t)number(argv[optind + 1], 1, 65535));
    prepare_request(argv[optind + 2]);
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    struct slot *slots = calloc(clients, sizeof *slots);
    durations = calloc(transfers, sizeof *durations);
    set = epoll_create1(EPOLL_CLOEXEC);
    if (slots == NULL || durations == NULL || set < 0) {
        perror("tftpload");
        return 2;
    }
    int64_t start = clock_now = read_clock();
    int64_t stop = start + (int64_t)deadline * 1000000000, look = start + TURN;
    for (uint32_t i = 0; i < clients; i++)
        begin(&slots[i]);
    struct epoll_event events[MOST_EVENTS];
    while (tally.good + tally.wrong_size + tally.refused + tally.silent < transfers && clock_now < stop) {
        int ready = epoll_wait(set, events, MOST_EVENTS, (int)(TURN / 1000000));
        clock_now = read_clock();
        for (int i = 0; i < ready; i++)
            readable(events[i].data.ptr);
        if (clock_now >= look) {
            look = clock_now + TURN;
            for (uint32_t i = 0; i < clients; i++)
                repeat_if_silent(&slots[i]);
        }
    }
    for (uint32_t i = 0; i < clients; i++)
        if (slots[i].fd >= 0)
            tally.octets += slots[i].octets;
    print_result((double)(read_clock() - start) / 1e9);
    return tally.good == transfers ? 0 : 1;
}
