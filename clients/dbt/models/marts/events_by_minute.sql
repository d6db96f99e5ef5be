-- windows that were not there at the last run
{{ config(materialized='incremental', unique_key='window_start') }}
select window_start, sum(event_count)::bigint as events
from {{ source('gold', 'real_time_metrics') }}
{% if is_incremental() %}
where window_start >= (select max(window_start) from {{ this }})
{% endif %}
group by window_start
