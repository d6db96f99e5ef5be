select e.event_type, k.kind, sum(e.events)::bigint as events
from {{ ref('events_by_hour') }} e
left join {{ ref('kinds') }} k on k.event_type = e.event_type
group by e.event_type, k.kind
