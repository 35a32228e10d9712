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

static const char *scheme(const struct etcd_fixture *f)
{
    return f->demands == ETCD_PLAIN ? "http" : "https";
}

static void describe_cluster(const struct etcd_fixture *f, char *out, size_t size)
{
    out[0] = '\0';
    for (size_t i = 0; i < f->count; i++)
        snprintf(out + strlen(out),
            size - strlen(out),
            "%sm%zu=http://127.0.0.1:%u",
            i ? "," : "",
            i,
            f->members[i].peer_port);
}

static void describe_demands(const struct etcd_fixture *f, char *out, size_t size)
{
    out[0] = '\0';
    if (f->demands != ETCD_PLAIN)
        snprintf(out, size, "--cert-file %s/server.pem --key-file %s/server.key", f->dir, f->dir);
    if (f->demands == ETCD_CLIENT_CERTIFICATES)
        snprintf(out + strlen(out),
            size - strlen(out),
            " --client-cert-auth --trusted-ca-file %s/ca.pem",
            f->dir);
}

static void spawn(struct etcd_fixture *f, size_t index)
{
    struct etcd_member *m = &f->members[index];
    char cluster[256], demands[320], command[1536];
    describe_cluster(f, cluster, sizeof cluster);
    describe_demands(f, demands, sizeof demands);
    snprintf(command,
        sizeof command,
        "exec etcd --name m%zu --data-dir %s/m%zu --listen-client-urls %s://127.0.0.1:%u "
        "--advertise-client-urls %s://127.0.0.1:%u --listen-peer-urls http://127.0.0.1:%u "
        "--initial-advertise-peer-urls http://127.0.0.1:%u --initial-cluster %s %s %s "
        ">/dev/null 2>>%s/m%zu.log",
        index,
        f->dir,
        index,
        scheme(f),
        m->client_port,
        scheme(f),
        m->client_port,
        m->peer_port,
        m->peer_port,
        cluster,
        demands,
        f->flags ? f->flags : "",
        f->dir,
        index);
    m->pid = fork();
    assert_true(m->pid >= 0);
    if (m->pid > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/* "etcdctl" with what it needs to be let in. */
static int etcdctl_head(const struct etcd_fixture *f, size_t index, char *out, size_t size)
{
    char files[320] = "", user[64] = "";
    if (f->user)
        snprintf(user, sizeof user, "--user %s ", f->user);
    if (f->demands != ETCD_PLAIN)
        snprintf(files,
            sizeof files,
            "--cacert %s/ca.pem --cert %s/root.pem --key %s/root.key ",
            f->dir,
            f->dir,
            f->dir);
    return snprintf(out,
        size,
        "ETCDCTL_API=3 etcdctl --endpoints %s://127.0.0.1:%u %s%s",
        scheme(f),
        f->members[index].client_port,
        files,
        user);
}

/* Health is a read that needs the quorum, so a member that is healthy has a leader. */
static void wait_until_healthy(struct etcd_fixture *f, size_t index)
{
    char command[640];
    int size = etcdctl_head(f, index, command, sizeof command);
    snprintf(command + size,
        sizeof command - (size_t)size,
        "--command-timeout=1s endpoint health >/dev/null 2>&1");
    for (int waited_ms = 0; waited_ms < START_LIMIT_MS; waited_ms += POLL_MS) {
        if (try_command(command))
            return;
        assert_int_equal(waitpid(f->members[index].pid, NULL, WNOHANG), 0);
        nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000L }, NULL);
    }
    fail_msg("etcd does not become healthy");
}

static void make_authority(const struct etcd_fixture *f, const char *name)
{
    char command[512];
    snprintf(command,
        sizeof command,
        "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=%s -keyout %s.key -out %s.pem 2>/dev/null",
        f->dir,
        name,
        name,
        name);
    run(command);
}

static void issue(const struct etcd_fixture *f, const char *name, const char *authority)
{
    char command[1024];
    snprintf(command,
        sizeof command,
        "cd %s && echo subjectAltName=IP:127.0.0.1 > ext && "
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=%s "
        "-keyout %s.key -out %s.csr 2>/dev/null && "
        "openssl x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -CAcreateserial -days 2 "
        "-extfile ext -out %s.pem 2>/dev/null",
        f->dir,
        name,
        name,
        name,
        name,
        authority,
        authority,
        name);
    run(command);
}

static void make_certificates(const struct etcd_fixture *f)
{
    make_authority(f, "ca");
    make_authority(f, "other-ca");
    issue(f, "server", "ca");
    issue(f, "root", "ca");
    issue(f, "pilot", "ca");
    issue(f, "stranger", "other-ca");
}

static void start(struct etcd_fixture *f, size_t count)
{
    f->count = count;
    assert_true(count >= 1 && count <= ETCD_MEMBERS_MAX);
    snprintf(f->dir, sizeof f->dir, "/tmp/test-etcd-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    if (f->demands != ETCD_PLAIN)
        make_certificates(f);
    for (size_t i = 0; i < count; i++) {
        f->members[i].client_port = free_port();
        f->members[i].peer_port = free_port();
    }
    for (size_t i = 0; i < count; i++)
        spawn(f, i);
    for (size_t i = 0; i < count; i++)
        wait_until_healthy(f, i);
}

void etcd_fixture_start(struct etcd_fixture *f, size_t count)
{
    *f = (struct etcd_fixture){ 0 };
    start(f, count);
}

void etcd_fixture_start_with(struct etcd_fixture *f, enum etcd_demands demands, const char *flags)
{
    *f = (struct etcd_fixture){ .demands = demands, .flags = flags };
    start(f, 1);
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
    int size = etcdctl_head(f, index, command, sizeof command);
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
