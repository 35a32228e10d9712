#include "etcd_fixture.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { START_LIMIT_MS = 20000, POLL_MS = 10 };

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

unsigned free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void run(const char *command)
{
    int status = system(command);
    if (status != 0)
        fail_msg("exit %d: %s", status, command);
}

static bool try_command(const char *command)
{
    return system(command) == 0;
}

static void spawn(struct etcd_fixture *f, size_t index)
{
    struct etcd_member *m = &f->members[index];
    char name[16], data[96], client[64], peer[64], cluster[256] = "", log[96];
    snprintf(name, sizeof name, "m%zu", index);
    snprintf(data, sizeof data, "%s/m%zu", f->dir, index);
    snprintf(log, sizeof log, "%s/m%zu.log", f->dir, index);
    snprintf(client, sizeof client, "http://127.0.0.1:%u", m->client_port);
    snprintf(peer, sizeof peer, "http://127.0.0.1:%u", m->peer_port);
    for (size_t i = 0; i < f->count; i++)
        snprintf(cluster + strlen(cluster),
            sizeof cluster - strlen(cluster),
            "%sm%zu=http://127.0.0.1:%u",
            i ? "," : "",
            i,
            f->members[i].peer_port);
    m->pid = fork();
    assert_true(m->pid >= 0);
    if (m->pid > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!freopen(log, "a", stderr) || !freopen("/dev/null", "w", stdout))
        _exit(126);
    execlp("etcd",
        "etcd",
        "--name",
        name,
        "--data-dir",
        data,
        "--listen-client-urls",
        client,
        "--advertise-client-urls",
        client,
        "--listen-peer-urls",
        peer,
        "--initial-advertise-peer-urls",
        peer,
        "--initial-cluster",
        cluster,
        (char *)NULL);
    _exit(127);
}

/* Health is a read that needs the quorum, so a member that is healthy has a leader. */
static void wait_until_healthy(struct etcd_fixture *f, size_t index)
{
    char command[256];
    snprintf(command,
        sizeof command,
        "etcdctl --endpoints http://127.0.0.1:%u --command-timeout=1s endpoint health "
        ">/dev/null 2>&1",
        f->members[index].client_port);
    for (int waited_ms = 0; waited_ms < START_LIMIT_MS; waited_ms += POLL_MS) {
        if (try_command(command))
            return;
        assert_int_equal(waitpid(f->members[index].pid, NULL, WNOHANG), 0);
        nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000L }, NULL);
    }
    fail_msg("etcd does not become healthy");
}

void etcd_fixture_start(struct etcd_fixture *f, size_t count)
{
    *f = (struct etcd_fixture){ .count = count };
    assert_true(count >= 1 && count <= ETCD_MEMBERS_MAX);
    snprintf(f->dir, sizeof f->dir, "/tmp/test-etcd-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    for (size_t i = 0; i < count; i++) {
        f->members[i].client_port = free_port();
        f->members[i].peer_port = free_port();
    }
    for (size_t i = 0; i < count; i++)
        spawn(f, i);
    for (size_t i = 0; i < count; i++)
        wait_until_healthy(f, i);
}

void etcd_member_kill(struct etcd_fixture *f, size_t index)
{
    struct etcd_member *m = &f->members[index];
    if (m->pid == 0)
        return;
    kill(m->pid, SIGKILL);
    waitpid(m->pid, NULL, 0);
    m->pid = 0;
}

void etcd_member_restart(struct etcd_fixture *f, size_t index)
{
    assert_int_equal(f->members[index].pid, 0);
    spawn(f, index);
    wait_until_healthy(f, index);
}

void etcd_member_pause(struct etcd_fixture *f, size_t index)
{
    kill(f->members[index].pid, SIGSTOP);
}

void etcd_member_resume(struct etcd_fixture *f, size_t index)
{
    kill(f->members[index].pid, SIGCONT);
}

void etcd_fixture_restore(struct etcd_fixture *f, const char *snapshot)
{
    char command[512];
    assert_int_equal(f->members[0].pid, 0);
    snprintf(command,
        sizeof command,
        "rm -rf %s/m0 && ETCDCTL_API=3 etcdctl snapshot restore %s --name m0 --data-dir %s/m0 "
        "--initial-cluster m0=http://127.0.0.1:%u "
        "--initial-advertise-peer-urls http://127.0.0.1:%u >/dev/null 2>&1",
        f->dir,
        snapshot,
        f->dir,
        f->members[0].peer_port,
        f->members[0].peer_port);
    run(command);
}

void etcd_fixture_wipe(struct etcd_fixture *f)
{
    char command[96];
    assert_int_equal(f->members[0].pid, 0);
    snprintf(command, sizeof command, "rm -rf %s/m0", f->dir);
    run(command);
}

void etcdctl(const struct etcd_fixture *f, size_t index, const char *fmt, ...)
{
    char command[1024];
    va_list args;
    int size = snprintf(command,
        sizeof command,
        "ETCDCTL_API=3 etcdctl --endpoints http://127.0.0.1:%u ",
        f->members[index].client_port);
    va_start(args, fmt);
    vsnprintf(command + size, sizeof command - (size_t)size, fmt, args);
    va_end(args);
    strncat(command, " >/dev/null", sizeof command - strlen(command) - 1);
    run(command);
}

void etcd_fixture_remove(struct etcd_fixture *f)
{
    char command[128];
    for (size_t i = 0; i < f->count; i++)
        etcd_member_kill(f, i);
    if (!f->dir[0])
        return;
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    run(command);
    *f = (struct etcd_fixture){ 0 };
}
