import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerName, mqttClientId } from '../../src/adapters/mqtt/connection/connection.ts';
import { isVersionRefused, mqttFailure } from '../../src/adapters/mqtt/connection/problem.ts';
import {
  addressTopic,
  groupTopic,
  memberTopic,
  nameOf,
  nodeTopic,
  placeOf,
  topicLevel,
} from '../../src/adapters/mqtt/topics.ts';

const scope = { base: 'carp', node: 'rpi1' };

test('every topic of the tree has one place, and every place one topic', () => {
  const wanted: readonly (readonly [string, object])[] = [
    [nodeTopic(scope, 'status'), { type: 'node', node: 'rpi1', leaf: 'status' }],
    [nodeTopic(scope, 'info'), { type: 'node', node: 'rpi1', leaf: 'info' }],
    [groupTopic(scope, 'plant', 'master'), { type: 'group', group: 'plant', leaf: 'master' }],
    [groupTopic(scope, 'a/b', 'alarm'), { type: 'group', group: 'a/b', leaf: 'alarm' }],
    [memberTopic(scope, 'plant', 'role'), { type: 'member', group: 'plant', node: 'rpi1', leaf: 'role' }],
    [
      addressTopic(scope, 'plant', 'vip', '2001:db8::100'),
      { type: 'address', group: 'plant', node: 'rpi1', leaf: 'vip', address: '2001:db8::100' },
    ],
  ];
  for (const [topic, place] of wanted) assert.deepEqual(placeOf('carp', topic), place, topic);
  assert.equal(memberTopic(scope, 'plant', 'role'), 'carp/plant/node/rpi1/role');
  assert.equal(addressTopic(scope, 'plant', 'vip', '2001:db8::100'), 'carp/plant/node/rpi1/vip/2001:db8::100');
});

test('a group that is called node is no node', () => {
  assert.deepEqual(placeOf('carp', memberTopic(scope, 'node', 'role')), {
    type: 'member',
    group: 'node',
    node: 'rpi1',
    leaf: 'role',
  });
  assert.deepEqual(placeOf('carp', groupTopic(scope, 'node', 'master')), {
    type: 'group',
    group: 'node',
    leaf: 'master',
  });
});

test('commands, their results and what others publish below the base have no place', () => {
  for (const topic of [
    'carp/plant/node/rpi1/cmd/hand-over',
    'carp/plant/node/rpi1/cmd/result',
    'carp/plant/node/rpi1/mode/set',
    'carp/plant/node/rpi1',
    'carp/plant/node/rpi1/vip',
    'carp/plant/node/rpi1/role/',
    'carp//master',
    'carp/%zz/master',
    'carp',
    'other/node/rpi1/status',
  ])
    assert.equal(placeOf('carp', topic), undefined, topic);
});

test('a base of several levels is used as it is, without empty levels', () => {
  assert.equal(nodeTopic({ base: '/acme/plant1//', node: 'a' }, 'status'), 'acme/plant1/node/a/status');
  assert.equal(nodeTopic({ base: '', node: 'a' }, 'status'), 'carp/node/a/status');
  assert.deepEqual(placeOf('/acme/plant1//', 'acme/plant1/node/a/status'), { type: 'node', node: 'a', leaf: 'status' });
});

test('no name can reach another topic or become a wildcard, and two names never share one', () => {
  assert.equal(topicLevel('rpi1.example_net-2'), 'rpi1.example_net-2');
  assert.equal(topicLevel('Anlage-Süd'), 'Anlage-Süd');
  assert.equal(topicLevel('a/b'), 'a%2Fb');
  assert.equal(topicLevel('+'), '%2B');
  assert.equal(topicLevel('#'), '%23');
  assert.equal(topicLevel('$SYS'), '%24SYS');
  assert.equal(topicLevel('two words\u0000'), 'two%20words%00');
  const awkward = ['', '%', '%25', 'a b', 'a_b', 'a+b', 'a%2Bb', '\u{1f600}', '€'];
  assert.equal(new Set(awkward.map(topicLevel)).size, awkward.length);
  for (const name of awkward) assert.equal(nameOf(topicLevel(name)), name);
});

test('the client id names the node and the machine', () => {
  assert.equal(mqttClientId('rpi1', '01234567'), 'carp-rpi1-01234567');
  assert.equal(mqttClientId('my rpi', '01234567'), 'carp-my%20rpi-01234567');
});

test('a broker is named without the credentials in its URL', () => {
  assert.equal(brokerName('mqtts://user:secret@broker:8884/x?password=secret'), 'mqtts://broker:8884');
  assert.equal(brokerName('not a URL, secret'), 'the broker');
});

test('a failure says what to do, and an error without words is named by its code', () => {
  const refused = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' });
  assert.deepEqual(mqttFailure(refused), {
    code: 'ECONNREFUSED',
    text: 'nobody listens there (ECONNREFUSED); is the broker running, and is the port in mqtt.url right?',
  });
  assert.match(
    mqttFailure(Object.assign(new Error('Connection refused: Not authorized'), { code: 5 })).text,
    /passwordFile/,
  );
  assert.equal(mqttFailure(undefined).text, 'connection failed');
});

test('only the codes for a refused version mean a refused version', () => {
  assert.deepEqual(
    [1, 0x84, 2, 5, 0x87, 'ECONNREFUSED', undefined].map((code) => isVersionRefused({ code, text: '' })),
    [true, true, false, false, false, false, false],
  );
});
