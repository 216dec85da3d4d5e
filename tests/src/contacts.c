/* Writes down whom a program wants to talk to: every address it connects or sends to and every name
 * it looks up, one to a line, into the file CONTACTS. Loaded before libc by the test `outward`,
 * which compiles it: what is refused at once leaves no other trace. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(const char *line, int length) {
  const char *path = getenv("CONTACTS");
  int file = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  if (write(file, line, (size_t)length) != length) abort();
  close(file);
}

static void note_address(const struct sockaddr *address) {
  char text[INET6_ADDRSTRLEN], line[INET6_ADDRSTRLEN + 16];
  if (address == NULL) return;
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    note(line, snprintf(line, sizeof line, "%s:%d\n", text, ntohs(v4->sin_port)));
  } else if (address->sa_family == AF_INET6) {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    note(line, snprintf(line, sizeof line, "[%s]:%d\n", text, ntohs(v6->sin6_port)));
  }
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
  int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
  note_address(address);
  return real(fd, address, length);
}

ssize_t sendto(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *address,
               socklen_t length) {
  ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) =
      dlsym(RTLD_NEXT, "sendto");
  note_address(address);
  return real(fd, bytes, size, flags, address, length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  ssize_t (*real)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
  note_address(message->msg_name);
  return real(fd, message, flags);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
  int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
      dlsym(RTLD_NEXT, "getaddrinfo");
  char line[300];
  if (name != NULL) note(line, snprintf(line, sizeof line, "%.255s\n", name));
  return real(name, service, hints, found);
}
