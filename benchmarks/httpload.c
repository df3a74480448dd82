/* Loads one file over HTTP again and again on many connections that stay open, for some seconds.
 *
 * usage: httpload SERVER PORT PATH CONNECTIONS SECONDS SOURCE...
 * Connections begin at the SOURCE addresses in turn. Prints "requests octets failures". */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 4096, PIECE = 1 << 18 };

struct line {
    int fd;
    long left; /* octets of the body; -1 while the head is read */
    int have;
    char head[HEAD + 1];
};

static char request[1024], piece[PIECE];
static long requests, octets, failures;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static int ask(struct line *line) {
    line->left = -1;
    line->have = 0;
    return send(line->fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request);
}

/* What has come; 0 when the connection is of no more use. */
static int take(struct line *line) {
    for (;;) {
        if (line->left < 0) {
            ssize_t got = recv(line->fd, line->head + line->have, HEAD - line->have, MSG_DONTWAIT);
            if (got < 0)
                return errno == EAGAIN;
            if (got == 0)
                return 0;
            line->have += got;
            line->head[line->have] = 0;
            char *end = strstr(line->head, "\r\n\r\n");
            if (end == NULL)
                continue;
            char *length = strcasestr(line->head, "\r\ncontent-length:");
            if (strncmp(line->head + 9, "200", 3) != 0 || length == NULL)
                return 0;
            int body = line->have - (int)(end + 4 - line->head);
            line->left = atol(length + 17) - body;
            octets += body;
        } else {
            ssize_t got = recv(line->fd, piece, sizeof piece, MSG_DONTWAIT);
            if (got < 0)
                return errno == EAGAIN;
            if (got == 0)
                return 0;
            octets += got;
            line->left -= got;
        }
        if (line->left == 0) {
            requests++;
            if (!ask(line))
                return 0;
        }
    }
}

int main(int count, char **words) {
    if (count < 7)
        return 2;
    int connections = atoi(words[4]), sources = count - 6;
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
    inet_pton(AF_INET, words[1], &server.sin_addr);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", words[3]);
    struct line *lines = calloc(connections, sizeof *lines);
    int epoll = epoll_create1(0);
    for (int n = 0; n < connections; n++) {
        struct sockaddr_in source = {.sin_family = AF_INET};
        inet_pton(AF_INET, words[6 + n % sources], &source.sin_addr);
        lines[n].fd = socket(AF_INET, SOCK_STREAM, 0);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &lines[n]};
        if (bind(lines[n].fd, (struct sockaddr *)&source, sizeof source) != 0 ||
            connect(lines[n].fd, (struct sockaddr *)&server, sizeof server) != 0 || !ask(&lines[n])) {
            failures++;
            close(lines[n].fd);
            continue;
        }
        epoll_ctl(epoll, EPOLL_CTL_ADD, lines[n].fd, &event);
    }
    double end = now() + atof(words[5]);
    requests = octets = 0;
    while (now() < end) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll, events, 256, 100);
        for (int n = 0; n < ready; n++) {
            struct line *line = events[n].data.ptr;
            if (!take(line)) {
                failures++;
                epoll_ctl(epoll, EPOLL_CTL_DEL, line->fd, NULL);
                close(line->fd);
            }
        }
    }
    printf("%ld %ld %ld\n", requests, octets, failures);
    return 0;
}
