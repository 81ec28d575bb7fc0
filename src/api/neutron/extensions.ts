/** One entry of `/v2.0/extensions`. Name, alias, description and time are those of neutron-lib. */
interface Extension {
  readonly name: string;
  readonly alias: string;
  readonly description: string;
  readonly updated: string;
  readonly links: readonly never[];
}

const extension = (alias: string, name: string, description: string, updated: string): Extension => ({
  name,
  alias,
  description,
  updated,
  links: [],
});

/** The extensions of Neutron's API that Pinhole implements. */
export const EXTENSIONS: readonly Extension[] = [
  extension('l3-conntrack-helper', 'L3 Conntrack helper', 'Allow adding CT target rules for conntrack helper', '2019-04-04T10:00:00-00:00'),
  extension(
    'expose-l3-conntrack-helper',
    'Expose CT target rules for conntrack helper',
    'Expose allow adding CT target rules for conntrack helper',
    '2019-04-04T10:00:00-00:00',
  ),
  extension(
    'router',
    'Neutron L3 Router',
    'Router abstraction for basic L3 forwarding between L2 Neutron networks and access to external networks via a NAT gateway.',
    '2012-07-20T10:00:00-00:00',
  ),
  extension('pagination', 'Pagination support', 'Extension that indicates that pagination is enabled.', '2016-06-12T00:00:00-00:00'),
  extension('sorting', 'Sorting support', 'Extension that indicates that sorting is enabled.', '2016-06-12T00:00:00-00:00'),
  extension('filter-validation', 'Filter parameters validation', 'Provides validation on filter parameters.', '2018-07-04T10:00:00-00:00'),
  extension(
    'project-id',
    'project_id field enabled',
    'Extension that indicates that project_id field is enabled.',
    '2016-09-09T09:09:09-09:09',
  ),
  extension(
    'standard-attr-revisions',
    'Resource revision numbers',
    'This extension will display the revision number of neutron resources.',
    '2016-04-11T10:00:00-00:00',
  ),
  extension(
    'revision-if-match',
    'If-Match constraints based on revision_number',
    'Extension indicating that If-Match based on revision_number is supported.',
    '2016-12-11T00:00:00-00:00',
  ),
];
