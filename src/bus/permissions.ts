import { agentTopic, hintTopic, SERVER_TOPIC, serverTopic } from '../wire/topics.ts';

/** What RabbitMQ lets a user do: regular expressions over names of queues and exchanges, and over routing keys of one exchange. */
export interface Permissions {
  readonly configure: string;
  readonly write: string;
  readonly read: string;
  readonly topicWrite: string;
  readonly topicRead: string;
}

/** Beginning of the names of a host's own reply queues: others cannot guess, nor read, what follows. */
export function replyPrefix(owner: string): string {
  return `reply_${owner}_`;
}

/** What the agent of a host needs: its own queues, the servers' ear, and to answer where it was asked. */
export function agentPermissions(host: string, exchange: string): Permissions {
  const queues = [quote(hintTopic(host)), quote(agentTopic(host)), `${quote(replyPrefix(host))}[0-9a-f]{32}`];
  const own = queues.join('|');
  return {
    configure: `^(${own})$`,
    write: `^(amq\\.default|${quote(exchange)}|${own})$`,
    read: `^(${quote(exchange)}|${own})$`,
    topicWrite: `^(${quote(SERVER_TOPIC)}|${quote(serverTopic(''))}[0-9a-f-]{36})$`,
    topicRead: `^(${quote(hintTopic(host))}|${quote(agentTopic(host))})$`,
  };
}

/** Servers may do everything in the fleet's own virtual host. */
export const SERVER_PERMISSIONS: Permissions = { configure: '.*', write: '.*', read: '.*', topicWrite: '.*', topicRead: '.*' };

function quote(name: string): string {
  return name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
