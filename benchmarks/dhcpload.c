/* Load for ProxyDHCP servers: many machines broadcast DISCOVERs, so many a second, and count the OFFERs.
 *
 *   cc -O2 -o dhcpload dhcpload.c
 *   dhcpload --rate 20000 --seconds 2 --machines 10000 --first 00:0c:01:02:03:04 eth0
 *
 * Each DISCOVER is that of a PXE ROM for BIOS machines: the options PXE 2.1 section 2.2 asks for (53, 55, 57, 60, 93,
 * 94, 97), no relay agent, the broadcast flag set. Machines take turns; each DISCOVER has a transaction number of its
 * own, and of the OFFERs that carry it one is counted. After the last DISCOVER it waits --wait milliseconds for OFFERs.
 *
 * It costs a few microseconds a DISCOVER, so that a server which shares the machine with it is what ends first.
 * One line of JSON on standard output; exit status 2 for wrong usage and for a socket that cannot be had.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

enum { SERVER_PORT = 67, CLIENT_PORT = 68, BOOTREPLY = 2, OFFER = 2 };
enum { AT_XID = 4, AT_CHADDR = 28, AT_OPTIONS = 240, LONGEST = 1500 };
enum { BATCH = 32, RECEIVE_BUFFER = 16 << 20, TURN = 50000 /* nanoseconds */ };

static uint32_t rate = 1000, seconds = 1, machines = 1000, patience = 500;
static uint64_t first_mac;
static unsigned char discover[LONGEST];
static size_t length, at_uuid;
static uint64_t sent, refused, answered, repeated;
static unsigned char *heard; /* a bit a transaction */
static uint64_t most;
static int sock;

static int64_t read_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static size_t option(unsigned char code, const void *value, unsigned char octets)
{
    size_t at = length + 2;
    discover[length] = code;
    discover[length + 1] = octets;
    memcpy(discover + at, value, octets);
    length = at + octets;
    return at;
}

static void prepare_discover(void)
{
    static const unsigned char head[] = {1, 1, 6, 0}, cookie[] = {99, 130, 83, 99};
    memcpy(discover, head, sizeof head);
    discover[10] = 0x80; /* answer by broadcast */
    memcpy(discover + AT_OPTIONS - 4, cookie, sizeof cookie);
    length = AT_OPTIONS;
    option(53, "\1", 1);
    option(57, "\5\300", 2);
    option(55, "\1\2\3\4\5\6\13\14\15\17\21\22\26\27\34\50\51\52\53\62\63\66\72\73\74\102\103\200\201\202\203\204\205"
               "\206\207", 35);
    unsigned char uuid[17] = {0};
    at_uuid = option(97, uuid, sizeof uuid) + 11;
    option(93, "\0\0", 2);
    option(94, "\1\2\1", 3);
    option(60, "PXEClient:Arch:00000:UNDI:002001", 32);
    discover[length++] = 255;
}

static void put(unsigned char *at, uint64_t value, int octets)
{
    for (int i = octets - 1; i >= 0; i--, value >>= 8)
        at[i] = (unsigned char)value;
}

static void send_next(const struct sockaddr_in *to)
{
    uint64_t mac = first_mac + sent % machines;
    put(discover + AT_XID, sent, 4);
    put(discover + AT_CHADDR, mac, 6);
    put(discover + at_uuid, mac, 6);
    if (sendto(sock, discover, length, 0, (const struct sockaddr *)to, sizeof *to) < 0)
        refused++;
    sent++;
}

static bool is_offer(const unsigned char *packet, size_t octets)
{
    if (octets < AT_OPTIONS || packet[0] != BOOTREPLY)
        return false;
    for (size_t at = AT_OPTIONS; at + 2 < octets && packet[at] != 255;) {
        if (packet[at] == 0) {
            at++;
            continue;
        }
        if (packet[at] == 53)
            return packet[at + 2] == OFFER;
        at += 2 + (size_t)packet[at + 1];
    }
    return false;
}

static void take_offers(void)
{
    static unsigned char packets[BATCH][LONGEST];
    static struct iovec pieces[BATCH];
    static struct mmsghdr messages[BATCH];
    for (int i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){packets[i], LONGEST};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(sock, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        const unsigned char *packet = packets[i];
        if (!is_offer(packet, messages[i].msg_len))
            continue;
        uint64_t xid = (uint64_t)packet[AT_XID] << 24 | packet[AT_XID + 1] << 16 | packet[AT_XID + 2] << 8 |
                       packet[AT_XID + 3];
        if (xid >= sent)
            continue;
        unsigned char bit = (unsigned char)(1 << xid % 8);
        if (heard[xid / 8] & bit) {
            repeated++;
            continue;
        }
        heard[xid / 8] |= bit;
        answered++;
    }
}

static uint32_t number(const char *text, uint32_t least, uint32_t largest)
{
    char *stop;
    long long value = strtoll(text, &stop, 10);
    if (*text == '\0' || *stop != '\0' || value < least || value > largest) {
        fprintf(stderr, "dhcpload: %s is not a number from %u to %u\n", text, least, largest);
        exit(2);
    }
    return (uint32_t)value;
}

static uint64_t mac(const char *text)
{
    unsigned int part[6];
    char more;
    uint64_t value = 0;
    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &part[0], &part[1], &part[2], &part[3], &part[4], &part[5], &more) != 6) {
        fprintf(stderr, "dhcpload: %s is not a MAC such as 00:0c:01:02:03:04\n", text);
        exit(2);
    }
    for (int i = 0; i < 6; i++)
        value = value << 8 | part[i];
    return value;
}

static const char *read_arguments(int argc, char **argv)
{
    static const struct option known[] = {
        {"rate", required_argument, NULL, 'r'},  {"seconds", required_argument, NULL, 's'},
        {"machines", required_argument, NULL, 'm'}, {"first", required_argument, NULL, 'f'},
        {"wait", required_argument, NULL, 'w'},  {NULL, 0, NULL, 0},
    };
    int found;
    while ((found = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (found) {
        case 'r': rate = number(optarg, 1, 1000000); break;
        case 's': seconds = number(optarg, 1, 3600); break;
        case 'm': machines = number(optarg, 1, 1 << 24); break;
        case 'f': first_mac = mac(optarg); break;
        case 'w': patience = number(optarg, 0, 60000); break;
        default: exit(2);
        }
    }
    if (argc - optind != 1) {
        fprintf(stderr, "usage: dhcpload [--rate N] [--seconds N] [--machines N] [--first MAC] [--wait MILLISECONDS] "
                        "INTERFACE\n");
        exit(2);
    }
    return argv[optind];
}

static void open_socket(const char *interface)
{
    int yes = 1, room = RECEIVE_BUFFER;
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(CLIENT_PORT)};
    sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes) < 0 ||
        setsockopt(sock, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface)) < 0 ||
        setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0 ||
        bind(sock, (struct sockaddr *)&own, sizeof own) < 0) {
        perror("dhcpload: socket");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    const char *interface = read_arguments(argc, argv);
    const struct sockaddr_in everyone = {
        .sin_family = AF_INET, .sin_port = htons(SERVER_PORT), .sin_addr.s_addr = INADDR_BROADCAST};
    most = (uint64_t)rate * seconds;
    heard = calloc(most / 8 + 1, 1);
    if (heard == NULL) {
        perror("dhcpload");
        return 2;
    }
    open_socket(interface);
    prepare_discover();
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    int64_t start = read_clock(), stop = start + (int64_t)seconds * 1000000000, now;
    while ((now = read_clock()) < stop) {
        uint64_t due = (uint64_t)((double)(now - start) / 1e9 * rate);
        due = due > most ? most : due;
        for (int i = 0; i < BATCH && sent < due; i++)
            send_next(&everyone);
        take_offers();
        if (sent >= due) {
            /* Asleep to OFFERs: what it costs a server to wake its clients is no matter of the server. */
            const struct timespec turn = {.tv_nsec = TURN};
            nanosleep(&turn, NULL);
        }
    }
    int64_t ended = now, last = now + (int64_t)patience * 1000000;
    while (answered < sent && (now = read_clock()) < last) {
        struct pollfd waiting = {.fd = sock, .events = POLLIN};
        poll(&waiting, 1, (int)((last - now) / 1000000) + 1);
        take_offers();
    }
    printf("{\"sent\": %llu, \"answered\": %llu, \"repeated\": %llu, \"refused\": %llu, \"seconds\": %.3f}\n",
           (unsigned long long)sent, (unsigned long long)answered, (unsigned long long)repeated,
           (unsigned long long)refused, (double)(ended - start) / 1e9);
    return 0;
}
