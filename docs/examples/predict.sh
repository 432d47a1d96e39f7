# One prediction by curl, over TensorFlow Serving's REST interface: sh predict.sh localhost:8501 small
step='[1, 1, 1]' # input_dim numbers; a sequence is a list of timesteps, of any length
curl --silent --show-error --fail-with-body --max-time 10 \
    --data "{\"instances\": [[$step, $step, $step, $step, $step]]}" "http://$1/v1/models/$2:predict"
